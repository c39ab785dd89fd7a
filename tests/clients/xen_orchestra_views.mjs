// What Xen Orchestra makes of documents in other_config, with the parser that it uses, of the release in its lock file.
//
//   LAB_NODE_MODULES=DIR node xen_orchestra_views.mjs FOLDER
//
// Xen Orchestra reads no answers of plugins; what its parser makes of them is shown too, as a second opinion.
//
// FOLDER holds documents, named NUMBER.KEY as in other_config. One JSON value a document, a line each, in the order of
// the names; what they mean is in tests/client_views/clients.rs. The rules were read in xo-server's
// src/xapi-object-to-xo.mjs and src/utils.mjs and xo-web's src/xo-app/vm/tab-containers.js.

import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(join(process.env.LAB_NODE_MODULES, 'x'))
const { XMLParser } = require('fast-xml-parser')

const parser = new XMLParser({
  attributeNamePrefix: '',
  ignoreAttributes: false,
  ignoreDeclaration: true,
  parseAttributeValue: false,
  parseTagValue: false,
})

// Xen Orchestra logs what does not parse, and goes on with an empty text.
function parse(text) {
  try {
    return { parsed: parser.parse(text), error: null }
  } catch (error) {
    return { parsed: '', error: error.message }
  }
}

// Which buttons a container has: the status is compared as a whole.
const BUTTONS = new Map([
  ['Up', ['stop', 'restart', 'pause']],
  ['Exited (137)', ['start']],
  ['Up (Paused)', ['unpause']],
])

// A row of the tab with containers.
function row({ entry }) {
  const { names, command, created, status, container } = entry
  return { name: names, command, created: created * 1000, status, container, commands: BUTTONS.get(status) ?? [] }
}

function list(text) {
  // An empty text is not parsed: it becomes a list with an empty text in it, and the tab throws.
  if (text === '') {
    return { rows: [''].map(row) }
  }
  const { parsed, error } = parse(text)
  // Throws if the document did not parse or has another root: then the VM is not converted and missing.
  const { item } = parsed.docker_ps === undefined ? missing(error) : parsed.docker_ps
  const items = item === undefined ? [] : Array.isArray(item) ? item : [item]
  return { rows: items.map(row) }
}

function missing(error) {
  throw new Error(`no docker_ps: ${error ?? 'another root'}`)
}

function description(text, key) {
  const { parsed, error } = parse(text)
  if (parsed[key] === undefined) {
    missing(error)
  }
  return { fields: parsed[key] }
}

// The same parser with an option that keeps the order, and with blanks as they are.
const inOrder = new XMLParser({
  attributeNamePrefix: '',
  ignoreAttributes: false,
  ignoreDeclaration: true,
  parseAttributeValue: false,
  parseTagValue: false,
  preserveOrder: true,
  trimValues: false,
})

// A node is a name and what is in it, a leaf is a text.
function nodes(children) {
  return children.map(child => {
    const { ':@': attributes, '#text': text, ...element } = child
    if (text !== undefined) {
      return text
    }
    const [[name, inside]] = Object.entries(element)
    return [name === 'SPECIAL_XS_ENCODED_ELEMENT' ? attributes.name : name, nodes(inside)]
  })
}

function tree(text) {
  const [[, inside]] = nodes(inOrder.parse(text))
  return { tree: inside }
}

const folder = process.argv[2]
for (const name of readdirSync(folder).sort()) {
  const text = readFileSync(join(folder, name), 'utf8')
  const key = name.split('.')[1]
  let found
  try {
    if (key === 'docker_ps') {
      found = list(text)
    } else if (key === 'docker_inspect' || key === 'docker_top') {
      found = tree(text)
    } else {
      found = description(text, key)
    }
  } catch (error) {
    found = { error: error.message }
  }
  process.stdout.write(JSON.stringify({ document: name, ...found }) + '\n')
}
