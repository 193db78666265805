// The official client of one version in a window of its own: node_modules are those of the directory we run in.
import {createRequire} from "module"
import {pathToFileURL} from "url"
import path from "path"

const require = createRequire(path.join(process.cwd(), "package.json"))
const {JSDOM, VirtualConsole} = await import(pathToFileURL(require.resolve("jsdom")))
const {build} = (await import(pathToFileURL(require.resolve("esbuild")))).default

const bundles = new Map()

async function bundle(version) {
  if (!bundles.has(version)) {
    const contents = `
      import {Socket} from "phoenix"
      import {LiveSocket} from "liveview-${version}"
      window.official = {Socket, LiveSocket}`
    const stdin = {contents, resolveDir: process.cwd()}
    const built = await build({stdin, bundle: true, format: "iife", write: false, logLevel: "error"})
    bundles.set(version, built.outputFiles[0].text)
  }
  return bundles.get(version)
}

// `furnish(window)` puts the world into the window (WebSocket, timers) before the client's code runs in it;
// `complain(error)` hears what jsdom cannot do and what the page's code throws.
export async function open(version, {html, url, furnish, complain}) {
  const virtualConsole = new VirtualConsole()
  virtualConsole.on("jsdomError", complain)
  const {window} = new JSDOM(html, {url, runScripts: "outside-only", pretendToBeVisual: true, virtualConsole})
  // its arrays must be the window's own, or `instanceof Array` fails there
  window.structuredClone = value => window.JSON.parse(JSON.stringify(value))
  window.CSS = {escape: text => text.replace(/[^a-zA-Z0-9_-]/g, each => "\\" + each)}
  furnish(window)
  window.eval(await bundle(version))
  return window
}
