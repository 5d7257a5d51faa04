// What the service worker finds in its global scope.

/** The site stage's line in front: each file's path and SHA-256. */
declare const FILES: Record<string, string>;
