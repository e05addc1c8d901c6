// Some rows of a list, picked by hand: what is done to all that match is done to these alone. The boxes belong to the form of
// the actions, so that picking works without this file. With it, live updates keep what is picked, and it stands in the
// address, after its #, so that a shared address and Back know it; a row that is gone is picked no more.
const MARK = "#picked=";

let picked = new Set<string>(location.hash.startsWith(MARK) ? location.hash.slice(MARK.length).split(",").filter(Boolean).map(decodeURIComponent) : []);

function boxes(): HTMLInputElement[] {
    return [...document.querySelectorAll<HTMLInputElement>("main [data-pick]")];
}

/** Shows what is picked: the boxes, and the words of the bar. */
function show(): void {
    const all = boxes();
    const there = new Set(all.map((box) => box.value));
    picked = new Set([...picked].filter((id) => there.has(id)));
    for (const box of all) box.checked = picked.has(box.value);
    const words = document.querySelector<HTMLElement>("[data-picked]");
    if (words) {
        words.dataset["all"] ??= words.textContent ?? "";
        words.textContent = picked.size ? `${picked.size} picked:` : words.dataset["all"];
    }
    const mark = picked.size ? MARK + [...picked].map(encodeURIComponent).join(",") : "";
    if (location.hash !== mark && (mark || location.hash.startsWith(MARK))) history.replaceState(history.state, "", location.pathname + location.search + mark);
}

/** Lets live updates keep what is picked. */
export function startPicking(): void {
    // A browser that goes back fills boxes in as they were left.
    for (const box of boxes()) if (box.checked) picked.add(box.value);
    show();
    document.addEventListener("change", (event) => {
        const box = event.target;
        if (!(box instanceof HTMLInputElement) || !("pick" in box.dataset)) return;
        if (box.checked) picked.add(box.value);
        else picked.delete(box.value);
        show();
    });
    document.addEventListener("jobsight:refreshed", show);
}
