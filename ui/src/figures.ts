// The figures of a frame, wherever a page shows them: `data-live` names which.
import type { Frame } from "./frames";

const whole = new Intl.NumberFormat("en-US");

/** A count in the words of the server: `4,837`, `15.2k`, `1.52M`. */
export function count(value: number): string {
    for (const [size, unit, least] of [[1e9, "G", 999_500_000], [1e6, "M", 999_500], [1e3, "k", 10_000]] as const) {
        if (value >= least) return `${Number((value / size).toPrecision(3))}${unit}`;
    }
    return whole.format(value);
}

/** So many a second, in the words of the server. */
export function rate(perS: number): string {
    return perS < 100 ? `${Number(perS.toFixed(perS < 1 ? 2 : 1))}/s` : `${count(Math.round(perS))}/s`;
}

function valueOf(name: string, frame: Frame): string | undefined {
    if (name === "reports") return rate(frame.reports_per_s);
    if (name === "firing") return count(frame.firing);
    if (name === "acknowledged") return count(frame.acknowledged);
    return name.startsWith("status-") ? count(frame.counts[name.slice(7)] ?? 0) : undefined;
}

/** Shows a frame's figures: in the page, in its title, and in the icon of its tab. */
export function show(frame: Frame): void {
    for (const element of document.querySelectorAll<HTMLElement>("[data-live]")) {
        const name = element.dataset["live"] ?? "";
        const text = valueOf(name, frame);
        if (text !== undefined && element.textContent !== text) element.textContent = text;
        if (name === "firing" && element.classList.contains("badge")) element.hidden = frame.firing === 0;
    }
    const title = document.title.replace(/^\(\d+\) /, "");
    const titled = frame.firing ? `(${frame.firing}) ${title}` : title;
    if (document.title !== titled) document.title = titled;
    const icon = document.querySelector<HTMLLinkElement>("link[rel=icon]");
    const wanted = frame.firing ? icon?.dataset["firing"] : icon?.dataset["fine"];
    if (icon && wanted && icon.getAttribute("href") !== wanted) icon.setAttribute("href", wanted);
}
