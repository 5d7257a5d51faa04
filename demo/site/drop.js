// Files that are dropped onto the page: a GGUF is opened, a JSON is read as conversations.

/**
 * @param {{onModel: (files: File[]) => void, onTalks: (file: File) => void, onOther: () => void}} does onModel: all files
 *   of a model in parts, or with an adapter, at once
 */
export function acceptFiles({ onModel, onTalks, onOther }) {
  const { dataset } = document.documentElement;
  const holdsFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return; // words may still be dropped into the message box
    event.preventDefault();
    dataset.drag = "";
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) delete dataset.drag; // it left the window
  });
  document.addEventListener("drop", (event) => {
    delete dataset.drag;
    if (!holdsFiles(event)) return;
    event.preventDefault(); // browsers would open it in place of the page
    const files = [...(event.dataTransfer?.files ?? [])];
    const models = files.filter(({ name }) => name.toLowerCase().endsWith(".gguf"));
    const talks = files.find(({ name }) => name.toLowerCase().endsWith(".json"));
    if (models.length) onModel(models);
    else if (talks) onTalks(talks);
    else onOther();
  });
}
