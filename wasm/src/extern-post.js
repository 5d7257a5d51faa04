// Appended to lilm-core.js: how an ES module gets at a classic script that it has imported.
globalThis.createLilmCore = createLilmCore;
