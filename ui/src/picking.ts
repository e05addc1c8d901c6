// Some rows of a list, picked by hand: what is done to all that match is done to these alone. They stand in the address,
// after its #, so that a shared address and Back know them; a row that is gone is picked no more.
const MARK = "#picked=";

let picked = new Set<string>(location.hash.startsWith(MARK) ? location.hash.slice(MARK.length).split(",").filter(Boolean) : []);

function boxes(): HTMLInputElement[] {
    return [...document.querySelectorAll<HTMLInputElement>("main [data-pick]")];
}

/** Shows what is picked: the boxes, the words of the bar, and where its links lead. */
function show(): void {
    const all = boxes();
    const there = new Set(all.map((box) => box.value));
    picked = new Set([...picked].filter((id) => there.has(id)));
    for (const box of all) {
        box.hidden = false;
        box.checked = picked.has(box.value);
    }
    const words = document.querySelector<HTMLElement>("[data-picked]");
    if (words) {
        words.dataset["all"] ??= words.textContent ?? "";
        words.textContent = picked.size ? `${picked.size} picked:` : words.dataset["all"];
    }
    for (const link of document.querySelectorAll<HTMLAnchorElement>("a[data-bulk]")) {
        const url = new URL(link.href);
        if (picked.size) url.searchParams.set("ids", [...picked].join(","));
        else url.searchParams.delete("ids");
        link.href = url.href;
    }
    const mark = picked.size ? MARK + [...picked].join(",") : "";
    if (location.hash !== mark && (mark || location.hash.startsWith(MARK))) history.replaceState(history.state, "", location.pathname + location.search + mark);
}

/** Lets rows be picked, also those that come later. */
export function startPicking(): void {
    if (!boxes().length) picked.clear();
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
