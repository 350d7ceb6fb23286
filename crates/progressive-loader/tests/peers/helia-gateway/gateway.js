// A peer of the loader's tests: Helia's UnixFS behind the path gateway's routes, over the blocks of a CAR archive.
//
//   node gateway.js ARCHIVE.car
//
// Prints its address once it answers. It gives single blocks (?format=raw) and ranges of files; whatever is asked for in
// another format is 406.
import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { unixfs } from '@helia/unixfs'
import { CarBlockIterator } from '@ipld/car/iterator'
import { MemoryBlockstore } from 'blockstore-core'
import { CID } from 'multiformats/cid'

const blockstore = new MemoryBlockstore()
for await (const { cid, bytes } of await CarBlockIterator.fromIterable(createReadStream(process.argv[2]))) {
  await blockstore.put(cid, bytes)
}
const fs = unixfs({ blockstore })

/** The bytes that a Range asks for, in a file of `size`; null where it asks for none. */
function range (header, size) {
  const found = /^bytes=(\d+)-(\d*)$/.exec(header ?? '')
  if (found == null) return null
  const last = found[2] === '' ? size - 1 : Math.min(Number(found[2]), size - 1)
  return { first: Number(found[1]), last }
}

async function answer (request, response) {
  const url = new URL(request.url, 'http://localhost')
  const [, space, root, ...names] = url.pathname.split('/').map(decodeURIComponent)
  if (space !== 'ipfs') return response.writeHead(404).end()
  const cid = CID.parse(root)
  const format = url.searchParams.get('format')
  const accept = request.headers.accept ?? ''
  if (format === 'raw' || accept.includes('application/vnd.ipld.raw')) {
    const chunks = []
    for await (const chunk of await blockstore.get(cid, { offline: true })) chunks.push(chunk)
    const block = Buffer.concat(chunks)
    response.writeHead(200, { 'content-type': 'application/vnd.ipld.raw', 'content-length': block.length })
    return response.end(block)
  }
  if (format != null || accept.includes('application/vnd.ipld.')) return response.writeHead(406).end()
  const path = names.length === 0 ? undefined : names.join('/')
  const stat = await fs.stat(cid, { path, offline: true })
  const size = Number(stat.size ?? stat.fileSize)
  const part = range(request.headers.range, size)
  const headers = { 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes', etag: `"${stat.cid}"` }
  if (part != null && part.first > part.last) {
    return response.writeHead(416, { 'content-range': `bytes */${size}` }).end()
  }
  const { first, last } = part ?? { first: 0, last: size - 1 }
  headers['content-length'] = last - first + 1
  if (part != null) headers['content-range'] = `bytes ${first}-${last}/${size}`
  response.writeHead(part == null ? 200 : 206, headers)
  for await (const chunk of fs.cat(cid, { path, offset: first, length: last - first + 1, offline: true })) {
    if (!response.write(chunk)) await once(response, 'drain')
  }
  response.end()
}

const server = createServer((request, response) => {
  answer(request, response).catch(error => {
    console.error(request.url, error)
    if (response.headersSent) return response.destroy()
    response.writeHead(error.name === 'NotFoundError' ? 404 : 500).end()
  })
})
server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`))
