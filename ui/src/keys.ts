// Keys: `g` and a letter for pages, `j k` through rows, Enter opens, `x` selects, Esc lets go, `/ p t ?`.
import { togglePause } from "./live";
import { turnTheme } from "./theme";

const PAGES: Readonly<Record<string, string>> = { o: "/", t: "/tasks", j: "/jobs", a: "/alerts", s: "/schedule" };
const AFTER_G_MS = 2_000;
const AT_HAND = "at-hand";
let gUntil = 0;

function rows(): HTMLElement[] {
    return [...document.querySelectorAll<HTMLElement>("main [data-row]")].filter((row) => row.offsetParent !== null);
}

function move(step: number): void {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.classList.contains(AT_HAND));
    all[at]?.classList.remove(AT_HAND);
    const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step))];
    next?.classList.add(AT_HAND);
    next?.querySelector<HTMLElement>("a[data-open]")?.focus({ preventScroll: true });
    next?.scrollIntoView({ block: "nearest" });
}

function atHand(): HTMLElement | null {
    return document.querySelector<HTMLElement>(`main [data-row].${AT_HAND}`);
}

function letGo(): void {
    atHand()?.classList.remove(AT_HAND);
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
}

function openHelp(): void {
    const help = document.getElementById("help");
    if (help instanceof HTMLDialogElement) help.open ? help.close() : help.showModal();
}

const ACTIONS: Readonly<Record<string, () => void>> = {
    "/": () => (document.querySelector<HTMLInputElement>("main [data-search]") ?? document.getElementById("search"))?.focus(),
    j: () => move(1),
    k: () => move(-1),
    x: () => atHand()?.querySelector<HTMLInputElement>("input[type=checkbox]")?.click(),
    p: togglePause,
    t: turnTheme,
    "?": openHelp,
};

function press(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target;
    const isWriting = target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) && !(target instanceof HTMLInputElement && target.type === "checkbox");
    if (event.key === "Escape") {
        letGo();
        return;
    }
    if (isWriting || document.querySelector("dialog[open]")) return;
    if (event.key === "Enter") {
        if (document.activeElement === document.body) atHand()?.querySelector<HTMLElement>("a[data-open]")?.click();
        return;
    }
    if (Date.now() < gUntil) {
        gUntil = 0;
        const page = PAGES[event.key];
        if (page) location.assign(page);
        return;
    }
    if (event.key === "g") {
        gUntil = Date.now() + AFTER_G_MS;
        return;
    }
    const action = ACTIONS[event.key];
    if (!action) return;
    event.preventDefault();
    action();
}

/** Listens to the keyboard. */
export function startKeys(): void {
    document.addEventListener("keydown", press);
    const button = document.getElementById("help-open");
    if (button) {
        button.hidden = false;
        button.addEventListener("click", openHelp);
    }
}
