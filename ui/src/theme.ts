// Light or dark: as the system says, until the viewer chooses. The choice is a cookie, so that the next page comes in it.
const YEAR_S = 31_536_000;

/** Turns to the other theme. */
export function turnTheme(): void {
    const root = document.documentElement;
    const isDark = root.dataset["theme"] ? root.dataset["theme"] === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset["theme"] = isDark ? "light" : "dark";
    document.cookie = `theme=${root.dataset["theme"]}; path=/; max-age=${YEAR_S}; samesite=lax`;
    document.dispatchEvent(new CustomEvent("jobsight:theme"));
}

/** Shows the button. */
export function startTheme(): void {
    const button = document.getElementById("theme");
    if (!button) return;
    button.hidden = false;
    button.addEventListener("click", turnTheme);
}
