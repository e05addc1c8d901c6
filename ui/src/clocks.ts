// Moments are written as UTC by the server. Here they get the viewer's own zone, and ages go on while a page is open.
const UNITS: readonly (readonly [number, string])[] = [
    [86_400_000, "d"],
    [3_600_000, "h"],
    [60_000, "m"],
    [1_000, "s"],
];
const REFRESH_MS = 5_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long", hourCycle: "h23" });

/** A moment as seen from now, in the words of the server. */
export function ago(momentMs: number, nowMs: number): string {
    const away = Math.abs(nowMs - momentMs);
    const [size, unit] = UNITS.find(([one]) => away >= one) ?? [0, ""];
    if (!size) return "now";
    const text = `${Math.floor(away / size)} ${unit}`;
    return momentMs <= nowMs ? `${text} ago` : `in ${text}`;
}

/** A time of day in the viewer's zone. */
export function timeOfDay(momentMs: number): string {
    return clock.format(momentMs);
}

/** The server's clock, from what the page says: a viewer's own may be wrong. */
let aheadMs = 0;

/** Now, by the server's clock. */
export function nowMs(): number {
    return Date.now() + aheadMs;
}

/** Takes over the server's clock from a page that has just come. */
export function setClock(serverMs: number): void {
    aheadMs = serverMs - Date.now();
}

/** Brings all moments within an element up to date. */
export function showMoments(root: ParentNode = document): void {
    const now = nowMs();
    for (const element of root.querySelectorAll("time")) {
        const momentMs = Date.parse(element.dateTime);
        if (Number.isNaN(momentMs)) continue;
        const text = "clock" in element.dataset ? timeOfDay(momentMs) : "ago" in element.dataset ? ago(momentMs, now) : full.format(momentMs);
        if (element.textContent !== text) element.textContent = text;
        const title = `${full.format(momentMs)}\n${utc(momentMs)}`;
        if (element.title !== title) element.title = title;
    }
    for (const mark of root.querySelectorAll<SVGTextElement>("text[data-clock-ms]")) {
        const text = timeOfDay(Number(mark.dataset["clockMs"]));
        if (mark.textContent !== text) mark.textContent = text;
    }
}

function utc(momentMs: number): string {
    return `${new Date(momentMs).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Shows the viewer's own time, now and from now on. */
export function startClocks(): void {
    const at = Number(document.getElementById("main")?.dataset["at"]);
    if (at) setClock(at);
    showMoments();
    setInterval(() => {
        if (!document.hidden) showMoments();
    }, REFRESH_MS);
}
