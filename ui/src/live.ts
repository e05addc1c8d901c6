// Live: frames move the counters once a second, and make the page ask for its changing part again, at most every two
// seconds, only while somebody can see it and it is not paused. What comes is morphed in, so that focus and scroll stay.
import htmx from "htmx.org";
import { setClock, showMoments } from "./clocks";
import { showCopyButtons } from "./copying";
import { type Frame, listen } from "./frames";
import { show } from "./figures";
import { isInHand, keepRows } from "./rows";

const REFRESH_MS = 2_000;
const LOST_MS = 5_000;
const PROBE_MS = 10_000;
const PAUSED = "jobsight-paused";

let isPaused = sessionStorage.getItem(PAUSED) === "1";
let isAsking = false;
let askedAt = performance.now();
let heardAt = 0;
let seenSeq = -1;
let last: Frame | undefined;
/** Refreshes that are still to come: one more than there was a change, as lists are a moment behind the frames. */
let owed = 0;

function label(state: "live" | "paused" | "lost" | "starting", text: string): void {
    const button = document.getElementById("live");
    if (!button) return;
    button.dataset["state"] = state;
    button.setAttribute("aria-pressed", String(isPaused));
    button.title = isPaused ? "Go on live (p)" : "Pause (p)";
    const words = button.querySelector("[data-label]");
    if (words && words.textContent !== text) words.textContent = text;
}

function showState(): void {
    const age = performance.now() - heardAt;
    if (isPaused) label("paused", "Paused");
    else if (!heardAt) label("starting", "Live");
    else if (age > LOST_MS) {
        label("lost", `Lost ${Math.round(age / 1000)} s`);
        // Whether the server is away, or whoever looks has been signed out, is seen by asking.
        if (!document.hidden && performance.now() - askedAt >= PROBE_MS) void refresh();
    }
    else label("live", "Live");
}

/** Pauses, or goes on. */
export function togglePause(): void {
    isPaused = !isPaused;
    sessionStorage.setItem(PAUSED, isPaused ? "1" : "0");
    showState();
    if (!isPaused) void refresh();
}

/** Asks for the page's changing part and morphs it in. */
export async function refresh(): Promise<void> {
    const main = document.getElementById("main");
    if (isAsking || !main || "still" in main.dataset) return;
    isAsking = true;
    askedAt = performance.now();
    try {
        const answer = await fetch(main.dataset["from"] ?? location.href, { headers: { "x-jobsight-part": "1" } });
        if (answer.status === 401) {
            // The session is over: the page leads to where one signs in, and back.
            location.reload();
            return;
        }
        if (!answer.ok || isPaused) return;
        if (isInHand(main)) owed = Math.max(owed, 1);
        const text = keepRows(await answer.text(), main);
        if (!text) return;
        await htmx.swap({ text, target: main, select: "#main", swap: "outerMorph" });
        const at = Number(document.getElementById("main")?.dataset["at"]);
        if (at) setClock(at);
        showMoments();
        showCopyButtons();
        if (last) show(last);
        document.dispatchEvent(new CustomEvent("jobsight:refreshed"));
    } catch {
        // The stream says that the server is away; the next frame asks again.
    } finally {
        isAsking = false;
    }
}

function onFrame(frame: Frame): void {
    heardAt = performance.now();
    if (isPaused) return;
    last = frame;
    showState();
    if (document.hidden) return;
    setClock(frame.at_ms);
    show(frame);
    document.dispatchEvent(new CustomEvent("jobsight:frame", { detail: frame }));
    if (frame.seq !== seenSeq) {
        seenSeq = frame.seq;
        owed = 2;
    }
    if (owed > 0 && performance.now() - askedAt >= REFRESH_MS) {
        owed -= 1;
        void refresh();
    }
}

/** Goes live. */
export function startLive(): void {
    const button = document.getElementById("live");
    if (!button) return;
    button.hidden = false;
    button.addEventListener("click", togglePause);
    document.addEventListener("visibilitychange", () => {
        if (!document.hidden && !isPaused) void refresh();
    });
    // Every refresh would be kept as a timing that nobody reads.
    performance.setResourceTimingBufferSize(0);
    listen(onFrame, showState);
    setInterval(showState, 1_000);
    showState();
}
