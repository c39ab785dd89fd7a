// Xen Orchestra's library (npm's xen-api) against a simulated XAPI.
//
//   LAB_NODE_MODULES=DIR node watch.mjs URL TRANSPORT VM_UUID SR_UUID
//
// Every line of the output is a JSON value that the scenario in tests/real_clients.rs expects.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const { createClient } = await import(pathToFileURL(join(process.env.LAB_NODE_MODULES, 'xen-api', 'index.mjs')))

const [url, transport, vmUuid, srUuid] = process.argv.slice(2)
const tell = (step, found) => console.log(JSON.stringify({ [step]: found }))

const xapi = createClient({
  url,
  transport,
  auth: { user: 'root', password: 'secret' },
  // Milliseconds between two looks for events.
  debounce: 10,
})
await xapi.connect()
await xapi.objectsFetched
tell('pool', xapi.pool.name_label)

const vm = xapi.objects.all[vmUuid]
tell('vm', [vm.$type, vm.name_label, vm.power_state, vm.is_a_template, Number(vm.memory_target)])
tell('links', [vm.$resident_on.$type, vm.$guest_metrics.networks['0/ip'], vm.$VIFs.length])
tell('dom0', Object.values(xapi.objects.all).filter(object => object.is_control_domain).length)

const record = await xapi.getRecordByUuid('VM', vmUuid)
tell('record', record.$ref === vm.$ref)

// Removes the entry and adds it, as Xen Orchestra does.
await vm.update_other_config('lab', 'a<b>&"c" é 🐳\n ')
tell('map', await xapi.getField('VM', vm.$ref, 'other_config'))
await vm.update_other_config('lab', null)
tell('map', await xapi.getField('VM', vm.$ref, 'other_config'))
await vm.add_tags('lab')
tell('tags', await xapi.getField('VM', vm.$ref, 'tags'))
tell('plugin', await xapi.call('host.call_plugin', xapi.pool.master, 'echo', 'say', { a: 'b' }))
tell('task', await xapi.callAsync('host.call_plugin', xapi.pool.master, 'echo', 'say', { a: '<&>' }))

const answer = await xapi.call('host.call_plugin', xapi.pool.master, 'mirror', 'say', { a: '<&> é\n', b: '' })
tell('program', answer.slice(answer.indexOf('<struct>')))

// A disk as Xen Orchestra fills and reads it.
const vdi = await xapi.call('VDI.create', {
  name_label: 'lab disk',
  name_description: '',
  SR: xapi.objects.all[srUuid].$ref,
  virtual_size: String(3 << 20),
  type: 'user',
  sharable: false,
  read_only: false,
  other_config: {},
  xenstore_data: {},
  sm_config: {},
})
const content = Buffer.alloc(1_280_000, 'lab')
const imported = await xapi.putResource(content, '/import_raw_vdi/', { query: { format: 'raw', vdi }, task: true })
tell('import', imported === vdi)
const response = await xapi.getResource('/export_raw_vdi/', { query: { format: 'raw', vdi }, task: true })
const exported = Buffer.from(await response.body.arrayBuffer())
await response.task
tell('export', [exported.length, exported.subarray(0, content.length).equals(content)])
await xapi.call('VDI.destroy', vdi)

for (const [method, ...params] of [
  ['VM.get_record', 'OpaqueRef:gone'],
  ['VM.get_by_uuid', 'gone'],
  ['VM.dance', vm.$ref],
]) {
  const error = await xapi.call(method, ...params).then(
    () => assert.fail(`${method} succeeded`),
    error => error
  )
  tell('failure', [error.code, ...error.params])
}

// The scenario makes a VM, renames it and removes it, each after the line about the step before.
const isSecond = object => object.$type === 'VM' && object.name_label.startsWith('second')
const appeared = new Promise(resolve => {
  xapi.objects.on('add', objects => Object.values(objects).filter(isSecond).forEach(resolve))
})
const renamed = new Promise(resolve => {
  xapi.objects.on('update', objects => Object.values(objects).filter(isSecond).forEach(resolve))
})
tell('watching', true)
const second = await appeared
const removed = new Promise(resolve => {
  xapi.objects.on('remove', objects => second.uuid in objects && resolve())
})
tell('appeared', second.name_label)
tell('renamed', (await renamed).name_label)
await removed
tell('removed', second.uuid in xapi.objects.all)

await xapi.disconnect()
tell('disconnected', xapi.status)
