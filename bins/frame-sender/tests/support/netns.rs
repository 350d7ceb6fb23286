//! Three network namespaces in a row, a sender's, a router's and a worker's, with cables between that can be pulled.
//!
//! Needs root and `ip`. Names carry the process's number; everything goes when it is dropped, whatever the test came to.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the sender is at first, and where it moves to.
pub(crate) const SENDER: [&str; 2] = ["10.77.1.2", "10.77.1.3"];
pub(crate) const WORKER: &str = "10.77.2.2";
const ROUTER: [&str; 2] = ["10.77.1.1", "10.77.2.1"];

static NAMED: AtomicU32 = AtomicU32::new(0);

/// The namespaces, for as long as it lives.
pub(crate) struct Namespaces {
    pub(crate) sender: String,
    router: String,
    pub(crate) worker: String,
    /// Rules that block, with what takes them away again.
    unblock: Vec<Vec<String>>,
}

impl Namespaces {
    /// `None`, and a reason on stderr, where they cannot be had.
    pub(crate) fn new() -> Option<Self> {
        let number = NAMED.fetch_add(1, Ordering::Relaxed);
        let name = |what: &str| format!("fw{}-{number}-{what}", std::process::id());
        let it = Self {
            sender: name("s"),
            router: name("r"),
            worker: name("w"),
            unblock: Vec::new(),
        };
        match it.build() {
            Ok(()) => Some(it),
            Err(why) => {
                skipped(&format!("no network namespaces: {why}"));
                None
            }
        }
    }

    fn build(&self) -> Result<(), String> {
        for name in [&self.sender, &self.router, &self.worker] {
            ip(&["netns", "add", name])?;
            ip(&["-n", name, "link", "set", "lo", "up"])?;
        }
        for (end, side, address, router) in [
            (&self.sender, "left", SENDER[0], ROUTER[0]),
            (&self.worker, "right", WORKER, ROUTER[1]),
        ] {
            let at_router = ["peer", "name", side, "netns", &self.router];
            let cable = ["link", "add", "cable", "netns", end, "type", "veth"];
            ip(&[&cable[..], &at_router[..]].concat())?;
            for (name, device, address) in [(end, "cable", address), (&self.router, side, router)] {
                let address = format!("{address}/24");
                ip(&["-n", name, "address", "add", &address, "dev", device])?;
                ip(&["-n", name, "link", "set", device, "up"])?;
            }
            ip(&["-n", end, "route", "add", "default", "via", router])?;
        }
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        run(&within(&self.router, &["sh", "-c", forward]))
    }

    /// Delay and loss on the way to the worker and back, where this kernel has netem.
    pub(crate) fn impair(&self) {
        for side in ["left", "right"] {
            let netem = ["root", "netem", "delay", "5ms", "loss", "0.5%"];
            let add = ["-n", &self.router, "qdisc", "add", "dev", side];
            let added = run(&[&["tc"], &add[..], &netem[..]].concat());
            if let Err(why) = added {
                return skipped(&format!("delay and loss, for want of netem: {why}"));
            }
        }
    }

    /// Pulls the router's cable to the worker, or plugs it in again.
    pub(crate) fn plug(&self, plugged: bool) {
        let state = if plugged { "up" } else { "down" };
        ip(&["-n", &self.router, "link", "set", "right", state]).unwrap();
    }

    /// Drops datagrams to this port on their way, without a word to anybody, by whatever can here.
    pub(crate) fn block_udp(&mut self, port: u16) {
        let port = port.to_string();
        let table = ["nft", "add", "table", "ip", "frameway"].as_slice();
        let chain = "chain ip frameway forward { type filter hook forward priority 0; }";
        let drop_it = format!("rule ip frameway forward udp dport {port} drop");
        let nft = [
            table.to_vec(),
            ["nft", "add"].into_iter().chain([chain]).collect(),
            ["nft", "add"].into_iter().chain([&*drop_it]).collect(),
        ];
        let by_nft = nft.iter().try_for_each(|it| run(&within(&self.router, it)));
        let udp = ["-p", "udp", "--dport", &port, "-j", "DROP"];
        let iptables = |what| [&["iptables", what, "FORWARD"], &udp[..]].concat();
        let rule = ["ipproto", "udp", "dport", &port, "blackhole"];
        let ip_rule = |what| [&["ip", "rule", what], &rule[..]].concat();
        let undo = if by_nft.is_ok() {
            vec!["nft", "delete", "table", "ip", "frameway"]
        } else if run(&within(&self.router, &iptables("-A"))).is_ok() {
            iptables("-D")
        } else {
            skipped("nftables and iptables: the port is blocked by a black hole in the routes");
            run(&within(&self.router, &ip_rule("add"))).unwrap();
            ip_rule("del")
        };
        let undo = undo.into_iter().map(str::to_owned).collect();
        self.unblock.push(undo);
    }

    /// Lets them pass again.
    pub(crate) fn unblock_udp(&mut self) {
        for undo in std::mem::take(&mut self.unblock) {
            let undo: Vec<_> = undo.iter().map(String::as_str).collect();
            run(&within(&self.router, &undo)).unwrap();
        }
    }

    /// Gives the sender another address, and takes away the one it had.
    pub(crate) fn move_sender(&self, from: &str, to: &str) {
        let on = |what, address: &str| {
            let address = format!("{address}/24");
            let name = &self.sender;
            ip(&["-n", name, "address", what, &address, "dev", "cable"]).unwrap();
        };
        // Both for a moment would do as well, but the system takes the second away with the first.
        on("del", from);
        on("add", to);
        let route = ["route", "replace", "default", "via", ROUTER[0]];
        ip(&[&["-n", &self.sender], &route[..]].concat()).unwrap();
    }

    /// What a request from the worker's own namespace is answered.
    pub(crate) fn ask_worker(&self, port: u16, path: &str) -> String {
        let ask = format!(
            "exec 3<>/dev/tcp/{WORKER}/{port}; printf 'GET {path} HTTP/1.1\\r\\nHost: w\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3"
        );
        let asked = output(&within(&self.worker, &["bash", "-c", &ask])).unwrap();
        String::from_utf8(asked.stdout).unwrap()
    }
}

impl Drop for Namespaces {
    /// Devices go with their namespaces.
    fn drop(&mut self) {
        for name in [&self.sender, &self.router, &self.worker] {
            // It may not have come to be.
            let _ = ip(&["netns", "delete", name]);
        }
    }
}

/// A command as it runs in a namespace; it replaces `ip`, so that signals reach it.
pub(crate) fn within<'a>(namespace: &'a str, command: &[&'a str]) -> Vec<&'a str> {
    [&["ip", "netns", "exec", namespace], command].concat()
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    run(&[&["ip"], arguments].concat())
}

fn run(command: &[&str]) -> Result<(), String> {
    let output = output(command)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}", command.join(" "), said.trim()))
}

fn output(command: &[&str]) -> Result<Output, String> {
    let output = Command::new(command[0]).args(&command[1..]).output();
    output.map_err(|error| format!("{}: {error}", command[0]))
}

#[allow(clippy::print_stderr)]
fn skipped(what: &str) {
    eprintln!("skipped: {what}");
}
