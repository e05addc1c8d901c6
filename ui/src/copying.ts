// Copy buttons. The clipboard is closed to pages over plain HTTP, so there a selection is copied the old way.
import { showOrigin } from "./origin";

const DONE_MS = 1_200;

async function copy(text: string): Promise<void> {
    if (navigator.clipboard) {
        await navigator.clipboard.writeText(text);
        return;
    }
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
}

/** Shows copy buttons within an element; without scripts they stay away. */
export function showCopyButtons(root: ParentNode = document): void {
    showOrigin(root);
    for (const button of root.querySelectorAll<HTMLButtonElement>("[data-copy][hidden]")) button.hidden = false;
}

/** Lets every copy button copy, also those that come later. */
export function startCopying(): void {
    showCopyButtons();
    document.addEventListener("click", (event) => {
        const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-copy]") : null;
        if (!button) return;
        void copy(button.dataset["copy"] ?? "").then(() => {
            button.classList.add("is-done");
            setTimeout(() => button.classList.remove("is-done"), DONE_MS);
        });
    });
}
