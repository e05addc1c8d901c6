// The frames of the live stream, one stream for all tabs: a shared worker holds it and tells everybody on a channel.
// Where there are no shared workers, each visible tab holds a stream of its own.
export const CHANNEL = "jobsight-live";
export const PATH = "/api/v1/live";

/** What the server shows once a second. */
export interface Frame {
    readonly seq: number;
    readonly at_ms: number;
    readonly counts: Readonly<Record<string, number>>;
    readonly last_bucket: {
        readonly at_ms: number;
        readonly width_s: number;
        readonly ends: Readonly<Record<string, number>>;
        readonly p50_ms: number | null;
        readonly p95_ms: number | null;
    };
    readonly histogram: readonly (readonly [number, number])[];
    readonly firing: number;
    readonly acknowledged: number;
    readonly reports_per_s: number;
}

/** What goes over the channel: a frame, the loss of the stream, or a tab that asks for the last frame. */
export type Word = { readonly frame: Frame } | { readonly isLost: true } | { readonly isAsking: true };

const RETRY_MS = 5_000;

/** Opens the stream, and opens it again when it ends. Returns what closes it. */
export function openStream(onFrame: (frame: Frame) => void, onLoss: () => void): () => void {
    let source: EventSource | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const open = (): void => {
        source = new EventSource(PATH);
        source.addEventListener("frame", (event) => onFrame(JSON.parse((event as MessageEvent<string>).data) as Frame));
        source.onerror = () => {
            onLoss();
            if (source?.readyState === EventSource.CLOSED) timer = setTimeout(open, RETRY_MS);
        };
    };
    open();
    return () => {
        clearTimeout(timer);
        source?.close();
    };
}

/** Listens to the frames, from wherever they come. */
export function listen(onFrame: (frame: Frame) => void, onLoss: () => void): void {
    const worker = document.body.dataset["worker"];
    if (typeof SharedWorker === "undefined" || !worker) {
        let close: (() => void) | undefined;
        const follow = (): void => {
            close?.();
            close = document.hidden ? undefined : openStream(onFrame, onLoss);
        };
        document.addEventListener("visibilitychange", follow);
        follow();
        return;
    }
    const channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = (event: MessageEvent<Word>) => {
        if ("frame" in event.data) onFrame(event.data.frame);
        else if ("isLost" in event.data) onLoss();
    };
    new SharedWorker(worker, { name: CHANNEL, type: "module" });
    channel.postMessage({ isAsking: true } satisfies Word);
}
