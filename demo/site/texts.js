// Every sentence of the page, in English and Japanese, and the switch between the two.

import { kept } from "./store.js";

/** @typedef {"en" | "ja"} Language */
/** @typedef {keyof typeof TEXTS.en} Key */
/** @typedef {Record<string, string | number>} Values */

// Short texts that belong together share a line.
// prettier-ignore
const TEXTS = {
  en: {
    skip: "Skip to the message box", tag: "Runs on this device",
    hello: "A small language model, all yours.",
    lead: "It is downloaded once and then thinks right here, in this browser tab. Ask it something, or start with one of these.",
    newChat: "New chat", theme: "Light or dark", settings: "Settings", models: "Models", close: "Close", cancel: "Cancel",
    conversation: "Conversation", message: "Message", placeholder: "Write a message…", send: "Send", stop: "Stop",
    privacy: "Nothing you write leaves this device.", about: "About this model, and licences", switchLanguage: "日本語で表示", otherLanguage: "日本語",
    modelsHint: "Smaller files load faster and need less memory; larger ones stay closer to the original model.",
    qualityHint: "Bits per byte: how well the model predicts text it has not seen. Divergence: distance from the unquantised model; lower is better for both. Same choice: how often the most likely next piece is the same.",
    report: "Full quality report", chart: "Chart: quality of each file against its size", openFile: "Open a GGUF file…",
    reset: "Back to defaults", done: "Done", loadingModel: "Loading the model",
    noModel: "Choose a model", load: "Load · {size}", loaded: "Loaded", reload: "Load again",
    defaultModel: "default", yourFile: "your file", memory: "{size} memory", bitsPerByte: "{value} bits/byte", divergence: "divergence {value}",
    sameTop: "{value}% same choice",
    downloading: "{loaded} of {total} · {rate}/s · {left} left", downloadingUnknown: "{loaded} · {rate}/s",
    starting: "Starting {name}…", preparing: "Preparing {name}…",
    seconds: "{n} s", minutes: "{n} min", speed: "{n} tokens/s", threads: "{n} threads", thread: "1 thread",
    answerNote: "{tokens} tokens · {speed}",
    forgot: "The oldest messages no longer fit into the model’s context and were left out.",
    copy: "Copy", copied: "Copied", again: "Answer again", you: "You", model: "Model", answered: "Answer complete", retry: "Try again",
    edit: "Edit", editing: "Asks this question anew; what came after it goes.",
    waiting: "Another tab is loading {name}…", kept: "on this device", keptTitle: "Kept on this device",
    keptPart: "partly downloaded", keptRoom: "{usage} of {quota} that the browser has for this page.", forget: "Delete {name} from this device",
    fit_fits: "Fits this device.", fit_tight: "Should fit this device, with little to spare.",
    fit_too_big: "Probably too big for this device.", fit_unknown: "This browser does not tell whether it fits.",
    pointsCaption: "Quality ({language}) against size: further down predicts better, further left is smaller. Press a point to choose it.",
    tryPoint: "Try {name}: {size}, {value} bits/byte",
    distanceCaption: "Distance from the unquantised model ({language}), with the interval that is 95% sure, against size: further down is nearer, further left is smaller. Press a point to choose it.",
    tryDistance: "Try {name}: {size}, divergence {value}",
    notice_quota_full: "There is no room to keep the model in this browser, so it is in memory for this visit and is downloaded again at the next. Delete models that you no longer need under “Models”.",
    notice_cannot_keep: "This browser cannot keep models, so it is downloaded again at the next visit.",
    error_wrong_hash: "The downloaded model is damaged: it is not the file that this page was made with. Try again; if that does not help, the file on the server is damaged.",
    error_unknown_architecture: "This kind of model is not known here: {message}",
    error_not_kept: "The model is no longer on this device. Load it again.",
    error_worker_died: "The browser ended the model, most likely because memory ran short. The chat is still here; load the model again, or choose a smaller one.",
    error_cannot_copy: "The browser does not let this page copy; select the text instead.",
    error_in_use: "The model is in use in another tab. Close that tab first.",
    update: "A new version of this page is ready.", updateNow: "Reload",
    temperature: "Temperature", temperatureHelp: "0 always takes the most likely word; higher is more surprising.",
    top_p: "Top-p", top_pHelp: "Keeps the likeliest words that together reach this share.",
    top_k: "Top-k", top_kHelp: "Keeps this many of the likeliest words; 0 keeps all.",
    min_p: "Min-p", min_pHelp: "Drops words less likely than this share of the best one.",
    repeat_penalty: "Repeat penalty", repeat_penaltyHelp: "Above 1 discourages words that were just used.",
    n_predict: "Longest answer", n_predictHelp: "In tokens.",
    error_not_a_gguf: "This file is not a GGUF model. Choose a file that ends in .gguf.",
    error_truncated: "The model file is cut short. Load it again.",
    error_too_big: "This model is too big for a browser ({message}). Choose a smaller one.",
    error_out_of_memory: "There is not enough memory for this model ({message}). Close other tabs or choose a smaller one.",
    error_network: "The model could not be downloaded. Check the connection and try again; what came so far is kept.",
    silent: "The model ended its answer without a word. Let it try again, or say more.",
    error_context_full: "The message is longer than the model’s context. Shorten it.",
    error_wrong_adapter: "The adapter and the model do not go together: {message}",
    error_unsupported: "This browser cannot run the model: {message}",
    error_internal: "The model stopped unexpectedly ({message}). It is loaded again with your next message.",
    error_no_models: "The list of models (models.json) could not be read: {message}",
    notIsolated: "This page is not cross-origin isolated, so the model runs on one thread and is slow. Serve it with `lilm serve`, or send the headers COOP same-origin and COEP require-corp.",
    notIsolatedFatal: "This page is not cross-origin isolated, and the only build of the model’s engine here needs that. Serve it with `lilm serve`, or send the headers COOP same-origin and COEP require-corp.",
    talks: "Conversations", noTalks: "There is none yet. What you write is kept on this device.", unnamed: "New conversation",
    rename: "Rename “{name}”", nameOfTalk: "Name of the conversation", deleteTalk: "Delete “{name}”", deleted: "“{name}” is deleted.", undo: "Undo",
    saveOne: "Save this one as", saveAll: "Save all", import: "Read a file…",
    imported: "Conversations read: {n}.", importedNone: "All conversations of this file are here already.", notImported: "The file was not read. {message}",
    importTooBig: "It is too big.", importNotJson: "It is not JSON.", importNotOurs: "It holds no conversations of this page.",
    importDamaged: "Conversation {n} of it is damaged.",
    copied_elsewhere: "Another tab went on with this conversation. This tab’s words are now in a copy of it.",
    notKept: "This browser keeps nothing for this page: the conversations go when the tab is closed.",
    noRoomToKeep: "The conversation could not be kept: {message} Save it as a file, or delete others.",
    tooLong: "It is longer than this page can read again, or questions and answers do not take turns in it.",
    system: "System prompt", systemHelp: "What the model is told before the conversation. It is this conversation’s and that of those begun after it.",
    context: "context {used} / {n_ctx}", more: "Continue", answerNow: "Answer", unfold: "Show all", fold: "Show less", copyCode: "Copy code",
    before: "Version before", behind: "Next version", versions: "versions of this answer",
    end_aborted: "stopped", end_length: "longest answer reached", end_context_full: "context is full", end_writing: "interrupted",
    noRoom: "The context is full, and this answer takes all of it: it cannot go on.",
    address: "A model from elsewhere", openAddress: "Fetch", otherSite: "from elsewhere",
    addressHelp: "The address of a GGUF file. This browser fetches it from there; what you write still goes nowhere.",
    noAddress: "This is no address of a GGUF file: https://…/….gguf",
    error_foreign: "The model could not be fetched from there ({message}). The server may be down, may not have it, or may not let other pages read its files (CORS).",
    drop: "Drop a GGUF model, or a file of conversations", notDropped: "Only GGUF models and files of conversations (.json) can be dropped here.",
    sizeAxis: "size", bitsAxis: "bits per byte", distanceAxis: "divergence",
  },
  ja: {
    skip: "入力欄へ移動", tag: "この端末の中で動きます",
    hello: "手のひらの言語モデル。",
    lead: "一度ダウンロードすれば、あとはこのブラウザーの中だけで考えます。話しかけるか、下の例から始めてください。",
    newChat: "新しい会話", theme: "明るさの切り替え", settings: "設定", models: "モデル", close: "閉じる", cancel: "中止",
    conversation: "会話", message: "メッセージ", placeholder: "メッセージを入力…", send: "送信", stop: "停止",
    privacy: "入力した内容がこの端末の外に出ることはありません。", about: "このモデルについて・ライセンス", switchLanguage: "Show in English", otherLanguage: "EN",
    modelsHint: "小さいファイルほど早く読み込め、メモリーも少なく済みます。大きいファイルほど元のモデルに近い答えになります。",
    qualityHint: "ビット/バイト：初めて見る文章をどれだけうまく予測できるか。差：量子化前のモデルとの KL ダイバージェンス。どちらも小さいほど良い値です。一致：次の語の第一候補が量子化前と同じになる割合。",
    report: "品質レポートの全体", chart: "グラフ：ファイルの大きさと品質", openFile: "GGUF ファイルを開く…",
    reset: "初期値に戻す", done: "完了", loadingModel: "モデルを読み込み中",
    noModel: "モデルを選択", load: "読み込む・{size}", loaded: "読み込み済み", reload: "読み込み直す",
    defaultModel: "標準", yourFile: "手元のファイル", memory: "メモリー {size}", bitsPerByte: "{value} ビット/バイト", divergence: "差 {value}",
    sameTop: "一致 {value}%",
    downloading: "{loaded} / {total}・毎秒 {rate}・残り {left}", downloadingUnknown: "{loaded}・毎秒 {rate}",
    starting: "{name} を起動しています…", preparing: "{name} を準備しています…",
    seconds: "{n} 秒", minutes: "{n} 分", speed: "{n} トークン/秒", threads: "{n} スレッド", thread: "1 スレッド",
    answerNote: "{tokens} トークン・{speed}",
    forgot: "古いメッセージはモデルのコンテキストに収まらなくなったため、省かれました。",
    copy: "コピー", copied: "コピーしました", again: "もう一度答える", you: "あなた", model: "モデル", answered: "回答が終わりました", retry: "再試行",
    edit: "編集", editing: "この質問を言い直します。以降のやり取りは消えます。",
    waiting: "別のタブが {name} を読み込んでいます…", kept: "この端末に保存済み", keptTitle: "この端末に保存されているモデル",
    keptPart: "途中まで", keptRoom: "このページが使える {quota} のうち {usage} を使用中。", forget: "{name} をこの端末から削除",
    fit_fits: "この端末で動きます。", fit_tight: "この端末で動きますが、余裕はわずかです。",
    fit_too_big: "この端末にはおそらく大きすぎます。", fit_unknown: "この端末で動くかどうか、このブラウザーからは分かりません。",
    pointsCaption: "品質（{language}）と大きさ：下ほど予測が正確で、左ほど小さいモデルです。点を押すと選べます。",
    tryPoint: "{name} を試す：{size}、{value} ビット/バイト",
    distanceCaption: "量子化前のモデルとの差（{language}、縦線は 95% 信頼区間）と大きさ：下ほど元のモデルに近く、左ほど小さいモデルです。点を押すと選べます。",
    tryDistance: "{name} を試す：{size}、差 {value}",
    notice_quota_full: "ブラウザーにモデルを保存する空きがないため、今回はメモリーに置き、次回また読み込みます。不要なモデルは「モデル」から削除できます。",
    notice_cannot_keep: "このブラウザーはモデルを保存できないため、次回また読み込みます。",
    error_wrong_hash: "ダウンロードしたモデルが壊れています（このページのファイルと一致しません）。もう一度お試しください。直らない場合は、サーバーのファイルが壊れています。",
    error_unknown_architecture: "この種類のモデルには対応していません：{message}",
    error_not_kept: "モデルはこの端末に残っていません。もう一度読み込んでください。",
    error_worker_died: "ブラウザーがモデルを終了しました。メモリー不足と思われます。会話は残っています。もう一度読み込むか、小さいモデルを選んでください。",
    error_cannot_copy: "ブラウザーがこのページからのコピーを許していません。文字を選択してコピーしてください。",
    error_in_use: "このモデルは別のタブで使用中です。先にそのタブを閉じてください。",
    update: "このページの新しい版があります。", updateNow: "読み込み直す",
    temperature: "温度", temperatureHelp: "0 は常に最も確率の高い語を選び、高いほど意外な答えになります。",
    top_p: "Top-p", top_pHelp: "合計がこの割合に達するまで、確率の高い語を残します。",
    top_k: "Top-k", top_kHelp: "確率の高い語をこの数だけ残します。0 はすべて残します。",
    min_p: "Min-p", min_pHelp: "最有力の語に対して確率がこの割合に満たない語を除きます。",
    repeat_penalty: "繰り返しの抑制", repeat_penaltyHelp: "1 より大きいと、直前に使った語を避けます。",
    n_predict: "回答の最大の長さ", n_predictHelp: "トークン数。",
    error_not_a_gguf: "このファイルは GGUF モデルではありません。.gguf で終わるファイルを選んでください。",
    error_truncated: "モデルのファイルが途中で切れています。もう一度読み込んでください。",
    error_too_big: "このモデルはブラウザーには大きすぎます（{message}）。小さいモデルを選んでください。",
    error_out_of_memory: "このモデルに必要なメモリーが足りません（{message}）。ほかのタブを閉じるか、小さいモデルを選んでください。",
    error_network: "モデルをダウンロードできませんでした。接続を確認して、もう一度お試しください。届いた分は残っています。",
    silent: "モデルは何も言わずに答えを終えました。もう一度試すか、もう少し詳しく書いてください。",
    error_context_full: "メッセージがモデルのコンテキストより長くなっています。短くしてください。",
    error_wrong_adapter: "アダプターとモデルの組み合わせが正しくありません：{message}",
    error_unsupported: "このブラウザーではモデルを動かせません：{message}",
    error_internal: "モデルが予期せず停止しました（{message}）。次のメッセージで読み込み直します。",
    error_no_models: "モデルの一覧（models.json）を読めませんでした：{message}",
    notIsolated: "このページはクロスオリジン分離されていないため、1 スレッドで遅く動きます。`lilm serve` で配信するか、COOP same-origin と COEP require-corp のヘッダーを付けてください。",
    notIsolatedFatal: "このページはクロスオリジン分離されていません。ここにあるエンジンにはそれが必要です。`lilm serve` で配信するか、COOP same-origin と COEP require-corp のヘッダーを付けてください。",
    talks: "会話の一覧", noTalks: "まだありません。書いた内容はこの端末に保存されます。", unnamed: "新しい会話",
    rename: "「{name}」の名前を変更", nameOfTalk: "会話の名前", deleteTalk: "「{name}」を削除", deleted: "「{name}」を削除しました。", undo: "元に戻す",
    saveOne: "この会話を保存：", saveAll: "すべて保存", import: "ファイルから読み込む…",
    imported: "{n} 件の会話を読み込みました。", importedNone: "このファイルの会話はすべて保存済みです。", notImported: "ファイルを読み込めませんでした。{message}",
    importTooBig: "大きすぎます。", importNotJson: "JSON ではありません。", importNotOurs: "このページの会話ではありません。",
    importDamaged: "{n} 番目の会話が壊れています。",
    copied_elsewhere: "別のタブがこの会話を続けたため、このタブの内容は複製に移りました。",
    notKept: "このブラウザーは何も保存できないため、タブを閉じると会話は消えます。",
    noRoomToKeep: "会話を保存できませんでした：{message} ファイルに保存するか、ほかの会話を削除してください。",
    tooLong: "このページで読み直せる長さを超えているか、質問と回答が交互に並んでいません。",
    system: "システムプロンプト", systemHelp: "会話の前にモデルへ伝える指示です。この会話と、これから始める会話に使われます。",
    context: "コンテキスト {used} / {n_ctx}", more: "続ける", answerNow: "答える", unfold: "すべて表示", fold: "折りたたむ", copyCode: "コードをコピー",
    before: "前の版", behind: "次の版", versions: "この答えの版",
    end_aborted: "停止しました", end_length: "最大の長さに達しました", end_context_full: "コンテキストがいっぱいです", end_writing: "中断されました",
    noRoom: "この答えでコンテキストがいっぱいになったため、続けられません。",
    address: "ほかの場所のモデル", openAddress: "取得", otherSite: "ほかの場所から",
    addressHelp: "GGUF ファイルのアドレス。このブラウザーがそこから取得します。入力した内容はどこにも送られません。",
    noAddress: "GGUF ファイルのアドレスではありません：https://…/….gguf",
    error_foreign: "そこからモデルを取得できませんでした（{message}）。サーバーが止まっているか、ファイルがないか、ほかのページからの読み込みを許していない（CORS）可能性があります。",
    drop: "GGUF モデルか会話のファイルをここにドロップ", notDropped: "ここにドロップできるのは GGUF モデルと会話のファイル（.json）だけです。",
    sizeAxis: "大きさ", bitsAxis: "ビット/バイト", distanceAxis: "差",
  },
};

const KEY = "lilm.language";
/** @type {Language} */ let current = "en";

export function language() {
  return current;
}

/** The text `key` in the chosen language, with {name} replaced from `values`. @param {Key} key @param {Values} [values] */
export function t(key, values = {}) {
  return TEXTS[current][key].replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** Whether there is a text of this name. @param {string} key @returns {key is Key} */
export function isText(key) {
  return key in TEXTS.en;
}

/** @returns {Language} */
export function firstLanguage() {
  const stored = kept.get(KEY);
  if (stored === "en" || stored === "ja") return stored;
  return navigator.language.toLowerCase().startsWith("ja") ? "ja" : "en";
}

/** Switch the page's language and rewrite all fixed texts in `root`. @param {Language} code @param {ParentNode} [root] */
export function setLanguage(code, root = document) {
  current = code;
  kept.set(KEY, code);
  document.documentElement.lang = code;
  const told = (/** @type {"t" | "placeholder" | "label"} */ name) =>
    [.../** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(`[data-${name}]`))].map(
      (node) => /** @type {const} */ ([node, t(/** @type {Key} */ (node.dataset[name]))]),
    );
  for (const [node, text] of told("t")) node.textContent = text;
  for (const [node, text] of told("placeholder")) node.setAttribute("placeholder", text);
  for (const [node, text] of told("label")) {
    node.setAttribute("aria-label", text);
    if (node.localName === "button") node.title = text;
  }
}

/** @param {string} code */
export function languageName(code) {
  return new Intl.DisplayNames([current], { type: "language" }).of(code) ?? code;
}

/** @param {number} bytes */
export function formatBytes(bytes) {
  if (bytes >= 1e9) return `${(bytes / 1e9).toFixed(2)} GB`;
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(bytes >= 1e8 ? 0 : 1)} MB`;
  return `${Math.max(1, Math.round(bytes / 1e3))} kB`;
}

/** @param {number} count */
export function formatCount(count) {
  return count.toLocaleString(current);
}

/** @param {number} moment milliseconds since 1970 */
export function formatDate(moment) {
  return new Intl.DateTimeFormat(current, { dateStyle: "medium", timeStyle: "short" }).format(moment);
}

/** @param {number} seconds */
export function formatTime(seconds) {
  return seconds < 90 ? t("seconds", { n: Math.ceil(seconds) }) : t("minutes", { n: Math.ceil(seconds / 60) });
}

/** Two digits. @param {number} value */
export function significant(value) {
  return value >= 0.001 ? value.toPrecision(2) : value.toExponential(1);
}
