// Command boxo-gateway is a peer of the loader's tests: the gateway code that Kubo runs, over the blocks of a CAR
// archive or of files it adds itself with Kubo's importer.
//
// It prints one line on stdout for each added file, "added CID PATH", and then "http://HOST:PORT" once it answers. With
// -add-only it prints the CIDs and ends.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/ipfs/boxo/blockservice"
	bstore "github.com/ipfs/boxo/blockstore"
	chunker "github.com/ipfs/boxo/chunker"
	"github.com/ipfs/boxo/exchange/offline"
	"github.com/ipfs/boxo/gateway"
	"github.com/ipfs/boxo/ipld/merkledag"
	"github.com/ipfs/boxo/ipld/unixfs/importer/balanced"
	"github.com/ipfs/boxo/ipld/unixfs/importer/helpers"
	unixfs "github.com/ipfs/boxo/ipld/unixfs/io"
	"github.com/ipfs/go-cid"
	carstore "github.com/ipld/go-car/v2/blockstore"
)

// files collects a flag that may be repeated.
type files []string

func (f *files) String() string { return strings.Join(*f, ",") }

func (f *files) Set(path string) error {
	*f = append(*f, path)
	return nil
}

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatalf("boxo-gateway: %v", err)
	}
}

func run() error {
	var add files
	listen := flag.String("listen", "127.0.0.1:0", "address to answer at; port 0 picks one")
	archive := flag.String("car", "", "CAR archive (version 1 or 2) whose blocks are served")
	flag.Var(&add, "add", "file to add and serve; may be repeated")
	profile := flag.String("profile", "unixfs-v1-2025", "how added files become DAGs: unixfs-v1-2025 or legacy-cid-v0")
	trustless := flag.Bool("trustless", false, "answer with raw blocks and CARs only")
	addOnly := flag.Bool("add-only", false, "print the CIDs of the added files and end")
	flag.Parse()

	blocks, err := open(*archive, add, *profile)
	if err != nil || *addOnly {
		return err
	}
	backend, err := gateway.NewBlocksBackend(blockservice.New(blocks, offline.Exchange(blocks)))
	if err != nil {
		return err
	}
	config := gateway.Config{DeserializedResponses: !*trustless, NoDNSLink: true, DisableHTMLErrors: true}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", listener.Addr())
	mux := http.NewServeMux()
	mux.Handle("/ipfs/", gateway.NewHandler(config, backend))
	return http.Serve(listener, mux)
}

// open gives the blocks of an archive, or of added files, which are kept in an archive under the system's temporary folder.
func open(archive string, add files, profile string) (bstore.Blockstore, error) {
	if archive != "" {
		return carstore.OpenReadOnly(archive)
	}
	folder, err := os.MkdirTemp("", "boxo-gateway-")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, "blocks.car")
	blocks, err := carstore.OpenReadWrite(path, []cid.Cid{})
	if err != nil {
		return nil, err
	}
	// The open file is all that is needed, and is gone with the process, however that ends.
	if err := os.RemoveAll(folder); err != nil {
		return nil, err
	}
	for _, path := range add {
		added, err := addFile(blocks, path, profile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		fmt.Printf("added %s %s\n", added, path)
	}
	return blocks, nil
}

func addFile(blocks bstore.Blockstore, path, name string) (cid.Cid, error) {
	profiles := map[string]unixfs.UnixFSProfile{
		"unixfs-v1-2025": unixfs.UnixFS_v1_2025,
		"legacy-cid-v0":  unixfs.UnixFS_v0_2015,
	}
	profile, known := profiles[name]
	if !known {
		return cid.Undef, fmt.Errorf("no profile %q", name)
	}
	var content io.Reader = os.Stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return cid.Undef, err
		}
		defer file.Close()
		content = file
	}
	builder, err := merkledag.PrefixForCidVersion(profile.CIDVersion)
	if err != nil {
		return cid.Undef, err
	}
	params := helpers.DagBuilderParams{
		Maxlinks:   profile.FileDAGWidth,
		RawLeaves:  profile.RawLeaves,
		CidBuilder: builder,
		Dagserv:    merkledag.NewDAGService(blockservice.New(blocks, offline.Exchange(blocks))),
	}
	dag, err := params.New(chunker.NewSizeSplitter(content, profile.ChunkSize))
	if err != nil {
		return cid.Undef, err
	}
	root, err := balanced.Layout(dag)
	if err != nil {
		return cid.Undef, err
	}
	return root.Cid(), blocks.Put(context.Background(), root)
}
