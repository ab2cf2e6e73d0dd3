// What JavaScript adds: every page works without it.
import "./times.js";
import "./live.js";
import "./dialogs.js";
import "./keys.js";
