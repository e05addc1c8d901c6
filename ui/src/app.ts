// What every page loads. Each island is a file of its own; without any of them every page still shows what it has to show.
import { startClocks } from "./clocks";
import { startCopying } from "./copying";
import { startKeys } from "./keys";
import { startLive } from "./live";
import { startPicking } from "./picking";
import { startTheme } from "./theme";

startTheme();
startClocks();
startCopying();
startKeys();
startPicking();
startLive();
