// Holds the one stream of this browser, and tells every tab what comes. It ends with the last tab.
import { CHANNEL, type Frame, openStream, type Word } from "./frames";

const channel = new BroadcastChannel(CHANNEL);
let last: Frame | undefined;

function say(word: Word): void {
    channel.postMessage(word);
}

channel.onmessage = (event: MessageEvent<Word>) => {
    if ("isAsking" in event.data && last) say({ frame: last });
};
openStream(
    (frame) => {
        last = frame;
        say({ frame });
    },
    () => {
        last = undefined;
        say({ isLost: true });
    },
);
