//! One end of a wire: a network namespace, in which programs and sockets can be.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tun_rs::SyncDevice;

use super::WireError;

/// What a wire is called in its namespace.
const DEVICE: &str = "wire";
/// Packets that wait for the wire's thread while it sleeps: 0.1 s at 150 MB/s. The system drops what comes beyond.
const DEVICE_QUEUE: &str = "10000";
/// Ethernet's.
const MTU_BYTES: &str = "1500";
/// A network namespace with one end of a wire, and its own loopback.
#[derive(Debug)]
pub struct Machine {
    name: String,
    address: Ipv4Addr,
}

impl Machine {
    pub(super) fn new(name: String, address: Ipv4Addr) -> Result<Self, WireError> {
        ip(&["netns", "add", &name])?;
        // From here on dropping it takes the namespace away.
        let machine = Self { name, address };
        ip(&["-n", &machine.name, "link", "set", "lo", "up"])?;
        // What one flow learnt of the path must not help the next.
        machine.set("tcp_no_metrics_save", "1")?;
        Ok(machine)
    }

    /// Lets TCP have buffers of up to that size at this machine. Without it they are those of the system.
    pub(super) fn allow_tcp_buffers(&self, most_bytes: usize) -> Result<(), WireError> {
        let sizes = format!("4096 131072 {most_bytes}");
        self.set("tcp_rmem", &sizes)?;
        self.set("tcp_wmem", &sizes)
    }

    fn set(&self, name: &str, value: &str) -> Result<(), WireError> {
        let script = format!("echo '{value}' >/proc/sys/net/ipv4/{name}");
        run(self.command("sh").args(["-c", &script]))
    }

    /// Takes the device into the namespace and gives it the machine's address.
    pub(super) fn plug(&self, device: &SyncDevice) -> Result<(), WireError> {
        let device = device
            .name()
            .map_err(|source| WireError::Device { source })?;
        ip(&["link", "set", &device, "netns", &self.name])?;
        let set = ["-n", &self.name, "link", "set"];
        ip(&[&set[..], &[&device, "name", DEVICE]].concat())?;
        ip(&[
            &set[..],
            &[DEVICE, "mtu", MTU_BYTES, "txqueuelen", DEVICE_QUEUE],
        ]
        .concat())?;
        let address = format!("{}/24", self.address);
        ip(&["-n", &self.name, "address", "add", &address, "dev", DEVICE])?;
        ip(&[&set[..], &[DEVICE, "up"]].concat())
    }

    /// Where the other machine reaches it.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A program on this machine. The process is the program's own, so that signals reach it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Calls this on a thread of its own that is on this machine, as are the sockets it makes, wherever they go afterwards.
    ///
    /// # Errors
    /// Those of the call, and of getting there.
    pub fn enter<T: Send>(&self, call: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let namespace = File::open(format!("/run/netns/{}", self.name))?;
        let enter = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            call()
        };
        thread::scope(|scope| {
            let thread = thread::Builder::new().spawn_scoped(scope, enter)?;
            let panicked = |_| Err(io::Error::other("the thread on the machine panicked"));
            thread.join().unwrap_or_else(panicked)
        })
    }
}

impl Drop for Machine {
    /// The device goes with its namespace once its thread has let go of it.
    fn drop(&mut self) {
        // A namespace that is left over is in nobody's way.
        let _ = ip(&["netns", "delete", &self.name]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), WireError> {
    run(Command::new("ip").args(arguments))
}

fn run(command: &mut Command) -> Result<(), WireError> {
    let said = match command.output() {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    let command = format!("{command:?}").replace('"', "");
    Err(WireError::Namespace { command, said })
}
