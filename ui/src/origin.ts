// Commands that ask this monitor name it by its address, once a script can say which one that is.
const VARIABLE = "$JOBSIGHT_SERVER";

/** Puts the address into every command within an element. */
export function showOrigin(root: ParentNode = document): void {
    for (const button of root.querySelectorAll<HTMLElement>("[data-copy]")) {
        const text = button.dataset["copy"] ?? "";
        if (!text.includes(VARIABLE)) continue;
        const named = text.replaceAll(VARIABLE, location.origin);
        button.dataset["copy"] = named;
        const code = button.parentElement?.querySelector("code");
        if (code && code.textContent === text) code.textContent = named;
    }
}
