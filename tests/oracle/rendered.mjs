// Reads one case a line, {"version", "messages": [join, diff, …]}, and answers with the page after each message.
import {createInterface} from "readline"
import {open} from "./official.mjs"

const main = `<div id="phx-main" data-phx-main data-phx-session="S" data-phx-static="T"></div>`
const html = `<!doctype html><html><head><title>t</title></head><body>${main}</body></html>`
const clients = new Map()

async function client(version) {
  if (clients.has(version)) return clients.get(version)
  const made = {joins: new Map(), errors: [], count: 0}
  const furnish = window => {
    window.WebSocket = class {
      readyState = 0
      constructor() { made.socket = this; setTimeout(() => { this.readyState = 1; this.onopen({}) }) }
      send(text) {
        const [joinRef, ref, topic, event] = JSON.parse(text)
        if (event === "phx_join") made.joins.set(topic, [joinRef, ref])
      }
      close() {}
    }
  }
  const complain = error => made.errors.push(String(error.cause ?? error))
  const window = made.window = await open(version, {html, url: "http://app.test/", furnish, complain})
  window.addEventListener("error", event => event.preventDefault())
  made.live = new window.official.LiveSocket("/live", window.official.Socket, {})
  made.live.connect()
  while (!made.joins.has("lv:phx-main")) await new Promise(done => setTimeout(done, 1))
  answer(made, "lv:phx-main", {s: [""]})
  return clients.set(version, made).get(version)
}

function answer(made, topic, rendered) {
  const [joinRef, ref] = made.joins.get(topic)
  const payload = {status: "ok", response: {rendered, liveview_version: "official"}}
  made.socket.onmessage({data: JSON.stringify([joinRef, ref, topic, "phx_reply", payload])})
}

async function play({version, messages}) {
  const at = await client(version)
  const id = `phx-${++at.count}`, topic = `lv:${id}`
  const box = at.window.document.createElement("div")
  box.innerHTML = `<div id="${id}" data-phx-session="S" data-phx-static="T"></div>`
  at.window.document.body.append(box)
  at.live.joinRootViews()
  const [joinRef] = at.joins.get(topic)
  const pages = []
  let error = null
  at.errors.length = 0
  for (const [index, message] of messages.entries()) {
    try {
      if (index === 0) answer(at, topic, message)
      else at.socket.onmessage({data: JSON.stringify([joinRef, null, topic, "diff", message])})
    } catch (thrown) { error = String(thrown) }
    error ??= at.errors[0] ?? null
    if (error) break
    pages.push(at.window.document.getElementById(id).innerHTML)
  }
  at.live.destroyViewByEl(at.window.document.getElementById(id))
  box.remove()
  return {id, version, pages, error}
}

for await (const line of createInterface({input: process.stdin}))
  process.stdout.write(JSON.stringify(await play(JSON.parse(line))) + "\n")
process.exit(0)
