//! Who listens where on this machine (proc(5), `/proc/net/tcp`).

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Whether something listens on a port of this machine already.
#[must_use]
pub fn in_use(port: u16) -> bool {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))).is_err()
}

/// The program and the process that listen on a port, as far as this user may see that.
#[must_use]
pub fn holder(port: u16) -> Option<(String, u32)> {
    let sockets =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let inode =
        sockets.iter().flat_map(|table| table.lines().skip(1)).find_map(|line| listening(line, port))?;
    let link = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?;
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).find_map(|pid: u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let held = files
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == link.as_str()));
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        held.then(|| (name.trim().to_owned(), pid))
    })
}

/// The inode of a socket that listens (state `0A`) on this port.
fn listening(line: &str, port: u16) -> Option<&str> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, local) = fields.get(1)?.rsplit_once(':')?;
    let matches = *fields.get(3)? == "0A" && u16::from_str_radix(local, 16).ok()? == port;
    matches.then(|| fields.get(9).copied())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_listener_is_found_with_its_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(in_use(port));
        assert_eq!(holder(port).map(|(_, pid)| pid), Some(std::process::id()));
        drop(listener);
        // A child that another test starts holds it until it has become its own program.
        let deadline = Instant::now() + Duration::from_secs(20);
        while in_use(port) {
            assert!(Instant::now() < deadline, "port {port} is still in use");
        }
    }
}
