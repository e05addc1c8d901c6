// Rows never move under the pointer. While somebody points into a list, or has the focus in it, its rows keep their
// places: known ones are brought up to date where they are, new ones are announced and come when the list is left.

function isInUse(list: Element): boolean {
    return list.matches(":hover") || list.contains(document.activeElement) || !!list.querySelector(".at-hand");
}

function hold(list: HTMLElement, fresh: HTMLElement): void {
    const coming = new Map([...fresh.querySelectorAll<HTMLElement>(":scope > [data-row]")].map((row) => [row.id, row]));
    const kept: Node[] = [];
    for (const row of list.querySelectorAll<HTMLElement>(":scope > [data-row]")) {
        const known = coming.get(row.id);
        const copy = known ?? (row.cloneNode(true) as HTMLElement);
        copy.classList.toggle("is-gone", !known);
        copy.classList.toggle("at-hand", row.classList.contains("at-hand"));
        kept.push(copy);
        coming.delete(row.id);
    }
    fresh.replaceChildren(...kept);
    const place = fresh.closest("[data-list]")?.querySelector<HTMLElement>("[data-new]");
    if (place) {
        place.hidden = coming.size === 0;
        place.textContent = `${coming.size} new`;
    }
}

/** Whether a list of a page is in use, so that what comes has to wait. */
export function isInHand(main: HTMLElement): boolean {
    return [...main.querySelectorAll("[data-rows]")].some(isInUse);
}

/** The coming part of a page, with the lists that are in use held in place; nothing where it is none. */
export function keepRows(text: string, main: HTMLElement): string | undefined {
    const coming = new DOMParser().parseFromString(text, "text/html");
    const fresh = coming.getElementById("main");
    if (!fresh) return undefined;
    for (const list of main.querySelectorAll<HTMLElement>("[data-rows]")) {
        const same = coming.getElementById(list.id);
        if (same && isInUse(list)) hold(list, same);
    }
    for (const open of main.querySelectorAll<HTMLDetailsElement>("details[id][open]")) {
        const same = coming.getElementById(open.id);
        if (same instanceof HTMLDetailsElement) same.open = true;
    }
    // What was done is told for as long as the page stays open; the server tells it once.
    const said = main.querySelector(":scope > #said");
    if (said) fresh.prepend(said.cloneNode(true));
    return fresh.outerHTML;
}
