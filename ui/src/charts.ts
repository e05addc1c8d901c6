// The charts: ends per second as a line with failures as red bars, and durations as a heatmap with p50 and p95 lines.
// Both are drawn from the same figures, which are asked for again as often as a new column can have come.
import uPlot from "uplot";
import { timeOfDay } from "./clocks";
import { count } from "./figures";

interface Figures {
    readonly width_s: number;
    readonly now_s: number;
    readonly at: readonly number[];
    readonly completed: readonly number[];
    readonly failed: readonly number[];
    readonly other: readonly number[];
    readonly p50_ms: readonly (number | null)[];
    readonly p95_ms: readonly (number | null)[];
    readonly steps: number;
    readonly cells: readonly (readonly [number, number, number])[];
}

const REFRESH_MS_MIN = 5_000;
const REFRESH_MS_MAX = 60_000;
const DAY_S = 86_400;
const FAILURE_PX_MIN = 3;
const day = new Intl.DateTimeFormat(undefined, { weekday: "short", day: "numeric" });

/** A length of time in one unit. */
function span(ms: number): string {
    for (const [size, unit] of [[86_400_000, "d"], [3_600_000, "h"], [60_000, "m"], [1_000, "s"]] as const) {
        if (ms >= size) return `${Number((ms / size).toPrecision(ms / size < 10 ? 2 : 3))} ${unit}`;
    }
    return `${Number(ms.toPrecision(2))} ms`;
}

/** Whether so little has ended that a line has to reach over columns without any. */
function isSparse(figures: Figures): boolean {
    return figures.p50_ms.filter((one) => one !== null).length * 2 < figures.at.length;
}

function colour(name: string): string {
    return getComputedStyle(document.documentElement).getPropertyValue(`--c-${name}`).trim();
}

/** Durations that people think in, as far as they lie on a scale. */
const LANDMARKS_MS = [0.1, 1, 10, 100, 1_000, 10_000, 60_000, 600_000, 3_600_000, 36_000_000, 259_200_000, 2_592_000_000];

/** What stands between them, for a scale on which few of them lie. */
const STEPS_MS = [0.2, 0.5, 2, 5, 20, 50, 200, 500, 2_000, 5_000, 30_000, 120_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 86_400_000, 604_800_000];
const LANDMARKS_MIN = 3;

function landmarks(_plot: uPlot, _axis: number, low: number, high: number): number[] {
    const within = (one: number): boolean => one >= low && one <= high;
    const coarse = LANDMARKS_MS.filter(within);
    return coarse.length >= LANDMARKS_MIN ? coarse : [...coarse, ...STEPS_MS.filter(within)].sort((one, other) => one - other);
}

function axes(formatY: (value: number) => string, isLong: boolean, ticks?: uPlot.Axis.Splits): uPlot.Axis[] {
    const shared = { stroke: () => colour("quiet"), grid: { stroke: () => colour("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const label = (second: number): string => (isLong && new Date(second * 1000).getHours() === 0 ? day.format(second * 1000) : timeOfDay(second * 1000));
    return [
        { ...shared, size: 26, space: 70, values: (_, splits) => splits.map(label) },
        { ...shared, size: 56, space: 28, values: (_, splits) => splits.map((value) => (value === null ? "" : formatY(value))), ...(ticks ? { splits: ticks, filter: (_: uPlot, splits: number[]) => splits } : {}) },
    ];
}

abstract class Drawing {
    protected plot: uPlot | undefined;
    protected figures: Figures | undefined;

    constructor(protected readonly box: HTMLElement) {
        new ResizeObserver(() => this.fit()).observe(box);
    }

    protected abstract data(figures: Figures): uPlot.AlignedData;
    protected abstract options(figures: Figures): Omit<uPlot.Options, "width" | "height">;
    protected abstract readout(figures: Figures, place: number): string;

    show(figures: Figures): void {
        this.figures = figures;
        const none = this.box.parentElement?.querySelector<HTMLElement>("[data-none]");
        const isEmpty = figures.completed.every((one, place) => !one && !figures.failed[place] && !figures.other[place]);
        if (none) none.hidden = !isEmpty;
        if (this.plot) {
            for (const line of this.plot.series.slice(1)) line.spanGaps = isSparse(figures);
            this.plot.setData(this.data(figures));
            return;
        }
        const options = this.options(figures);
        options.cursor = { y: false, points: { size: 6 }, drag: { x: false, y: false } };
        options.legend = { show: false };
        options.hooks = { ...options.hooks, setCursor: [(plot) => this.point(plot)] };
        this.plot = new uPlot({ ...options, ...this.size() }, this.data(figures), this.box);
    }

    redraw(): void {
        this.plot?.redraw(false, true);
    }

    private size(): { width: number; height: number } {
        return { width: Math.max(200, this.box.clientWidth), height: this.box.clientHeight };
    }

    private fit(): void {
        this.plot?.setSize(this.size());
    }

    private point(plot: uPlot): void {
        const place = plot.cursor.idx;
        const line = this.box.closest(".panel")?.querySelector<HTMLElement>("[data-readout]");
        if (!line || !this.figures) return;
        const at = place === null || place === undefined ? undefined : this.figures.at[place];
        line.textContent = at === undefined ? "" : `${timeOfDay(at * 1000)}  ${this.readout(this.figures, place as number)}`;
    }
}

/** Steps from column to column: a few ends an hour are seen as well as many a second. */
const steps = uPlot.paths.stepped?.({ align: 1 }) ?? (() => null);

/** So many a second, a minute or an hour, whichever gives numbers that can be read, by the most that there is. */
function pace(perS: number, most: number): string {
    const [unit, seconds] = most >= 0.5 ? ["s", 1] : most * 60 >= 0.5 ? ["min", 60] : ["h", 3_600];
    const value = perS * seconds;
    return `${value >= 100 ? count(Math.round(value)) : Number(value.toPrecision(2))}/${unit}`;
}

class Ends extends Drawing {
    protected data(figures: Figures): uPlot.AlignedData {
        const all = figures.completed.map((one, place) => {
            const seconds = this.seconds(figures, place);
            return seconds === undefined ? null : (one + (figures.other[place] ?? 0) + (figures.failed[place] ?? 0)) / seconds;
        });
        return [[...figures.at], all, figures.failed.map((one) => one / figures.width_s)];
    }

    /** How long a column has lasted so far; nothing for one that has only begun, as a few ends say little there. */
    private seconds(figures: Figures, place: number): number | undefined {
        const seconds = Math.min(figures.width_s, figures.now_s - (figures.at[place] ?? 0));
        return seconds * 2 < figures.width_s ? undefined : seconds;
    }

    protected options(figures: Figures): Omit<uPlot.Options, "width" | "height"> {
        const isLong = figures.width_s * figures.at.length > DAY_S;
        return {
            scales: { y: { range: (_, __, max) => [0, Math.max((max ?? 0) * 1.1, 1 / 3_600)] } },
            axes: axes((value) => pace(value, this.plot?.scales["y"]?.max ?? 1), isLong),
            series: [
                {},
                { stroke: () => colour("ok"), width: 1.5, fill: () => `color-mix(in srgb, ${colour("ok")} 16%, transparent)`, paths: steps, points: { show: false } },
                { stroke: () => colour("bad"), paths: () => null, points: { show: false } },
            ],
            hooks: { draw: [(plot) => this.failures(plot)] },
        };
    }

    protected readout(figures: Figures, place: number): string {
        const failed = figures.failed[place] ?? 0;
        return `${count(figures.completed[place] ?? 0)} completed, ${count(failed)} failed in ${span(figures.width_s * 1000)}`;
    }

    private failures(plot: uPlot): void {
        const figures = this.figures;
        if (!figures) return;
        const { ctx } = plot;
        const ground = plot.valToPos(0, "y", true);
        const width = Math.max(2, (plot.bbox.width / figures.at.length) * 0.7);
        ctx.save();
        ctx.fillStyle = colour("bad");
        const step = plot.bbox.width / figures.at.length;
        for (const [place, failed] of figures.failed.entries()) {
            if (!failed) continue;
            const left = plot.valToPos((figures.at[place] ?? 0) as number, "x", true);
            const height = Math.max(FAILURE_PX_MIN * devicePixelRatio, ground - plot.valToPos(failed / figures.width_s, "y", true));
            ctx.fillRect(left + (step - width) / 2, ground - height, width, height);
        }
        ctx.restore();
    }
}

class Durations extends Drawing {
    protected data(figures: Figures): uPlot.AlignedData {
        return [[...figures.at], [...figures.p50_ms], [...figures.p95_ms]];
    }

    protected options(figures: Figures): Omit<uPlot.Options, "width" | "height"> {
        const isLong = figures.width_s * figures.at.length > DAY_S;
        return {
            scales: { y: { distr: 3, log: 10, range: () => this.range() } },
            axes: axes(span, isLong, landmarks),
            series: [
                {},
                { stroke: () => colour("text"), width: 1.5, points: { show: false }, spanGaps: isSparse(figures) },
                { stroke: () => colour("warn"), width: 2, dash: [6, 4], points: { show: false }, spanGaps: isSparse(figures) },
            ],
            hooks: { drawAxes: [(plot) => this.cells(plot)], draw: [(plot) => this.limits(plot)] },
        };
    }

    protected readout(figures: Figures, place: number): string {
        const [p50, p95] = [figures.p50_ms[place], figures.p95_ms[place]];
        return p50 === null || p50 === undefined ? "nothing completed" : `p50 ${span(p50)}, p95 ${span(p95 ?? p50)}`;
    }

    /** What a check expects at least and at most, in ms. */
    private expected(): number[] {
        return (this.box.dataset["limits"] ?? "").split(" ").map(Number).filter((one) => one > 0);
    }

    private limits(plot: uPlot): void {
        const { ctx, bbox } = plot;
        ctx.save();
        ctx.strokeStyle = colour("bad");
        ctx.lineWidth = 2 * devicePixelRatio;
        ctx.setLineDash([2 * devicePixelRatio, 4 * devicePixelRatio]);
        for (const limit of this.expected()) {
            const y = plot.valToPos(limit, "y", true);
            if (y < bbox.top || y > bbox.top + bbox.height) continue;
            ctx.beginPath();
            ctx.moveTo(bbox.left, y);
            ctx.lineTo(bbox.left + bbox.width, y);
            ctx.stroke();
        }
        ctx.restore();
    }

    private range(): uPlot.Range.MinMax {
        const rows = this.figures?.cells.map(([, row]) => row) ?? [];
        if (!rows.length) return [1, 1_000];
        const steps = this.figures?.steps ?? 1;
        const low = Math.min(...rows) - 1;
        const most = Math.max(0, ...this.expected());
        const high = Math.max(Math.max(...rows) + 2, low + 4 * steps, most ? Math.log2(most) * steps + 1 : 0);
        return [2 ** (low / steps), 2 ** (high / steps)];
    }

    private cells(plot: uPlot): void {
        const figures = this.figures;
        if (!figures?.cells.length) return;
        const { ctx } = plot;
        const most = Math.log1p(Math.max(...figures.cells.map(([, , number]) => number)));
        const width = plot.bbox.width / Math.max(1, figures.at.length - 1);
        const [weak, strong] = [colour("heat-0"), colour("heat-1")];
        ctx.save();
        ctx.beginPath();
        ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
        ctx.clip();
        for (const [column, row, number] of figures.cells) {
            const left = plot.valToPos((figures.at[column] ?? 0) as number, "x", true);
            const top = plot.valToPos(2 ** ((row + 1) / figures.steps), "y", true);
            const bottom = plot.valToPos(2 ** (row / figures.steps), "y", true);
            ctx.fillStyle = strong;
            ctx.fillStyle = `color-mix(in srgb, ${strong} ${Math.round((Math.log1p(number) / most) * 100)}%, ${weak})`;
            ctx.fillRect(left - width / 2, top, Math.max(1, width - 1), Math.max(1, bottom - top - 1));
        }
        ctx.restore();
    }
}

const KINDS = { ends: Ends, durations: Durations } as const;

/** Charts that show the same figures. */
class Group {
    private readonly drawings: Drawing[] = [];
    private askedAt = 0;
    private everyMs = REFRESH_MS_MIN;

    constructor(private readonly url: string) {}

    add(drawing: Drawing): void {
        this.drawings.push(drawing);
    }

    redraw(): void {
        for (const drawing of this.drawings) drawing.redraw();
    }

    async refresh(): Promise<void> {
        if (performance.now() - this.askedAt < this.everyMs && this.askedAt) return;
        this.askedAt = performance.now();
        const answer = await fetch(this.url).catch(() => undefined);
        if (!answer?.ok) return;
        const figures = (await answer.json()) as Figures;
        this.everyMs = Math.min(REFRESH_MS_MAX, Math.max(REFRESH_MS_MIN, figures.width_s * 500));
        for (const drawing of this.drawings) drawing.show(figures);
    }
}

const groups = new Map<string, Group>();
for (const box of document.querySelectorAll<HTMLElement>("[data-chart]")) {
    const url = box.dataset["url"] ?? "";
    const group = groups.get(url) ?? new Group(url);
    groups.set(url, group);
    group.add(new KINDS[box.dataset["chart"] === "ends" ? "ends" : "durations"](box));
}
for (const group of groups.values()) void group.refresh();
document.addEventListener("jobsight:frame", () => {
    for (const group of groups.values()) void group.refresh();
});
for (const news of ["jobsight:theme", "jobsight:zone"]) {
    document.addEventListener(news, () => requestAnimationFrame(() => [...groups.values()].forEach((group) => group.redraw())));
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => [...groups.values()].forEach((group) => group.redraw()));
