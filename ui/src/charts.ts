// Charts, on pages that have some. (The next step fills this file.)
export {};
