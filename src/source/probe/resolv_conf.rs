//! Reads the resolvers of this machine as its C library does: `/etc/resolv.conf`, by the rules of
//! glibc (`resolv/res_init.c`; musl's `src/network/resolvconf.c` follows the same ones).
//!
//! - A keyword stands at the beginning of the line, with a space or tab after it. So any line that
//!   begins otherwise is a comment; by custom it begins with `#` or `;`.
//! - The first word of a `nameserver` line is the address. The rest is ignored.
//! - An IPv4 address has one to four parts, decimal, octal or hexadecimal (`inet_aton`).
//! - An IPv6 address may name its scope, as in `fe80::1%eth0`.
//! - Only the first three servers count. Without any, a server on this machine is asked.
//! - The file is read again when it changes (glibc 2.26 and newer).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// The path that glibc and musl read (`_PATH_RESCONF`).
pub(super) const FILE: &str = "/etc/resolv.conf";
/// The most servers that are used (`MAXNS` of `resolv.h`).
const SERVERS: usize = 3;
const PORT: u16 = 53;

/// A server as the file names it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    address: IpAddr,
    /// The interface of a link-local address, by name or index.
    scope: Option<String>,
}

/// A line that names a server and is ignored.
#[derive(Debug, PartialEq, Eq)]
struct Skipped {
    line: usize,
    text: String,
    why: &'static str,
}

/// Reads the text of the file into its servers, and the lines that name a server but are ignored.
fn parse(text: &str) -> (Vec<Server>, Vec<Skipped>) {
    let (mut servers, mut skipped) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let mut skip = |why| skipped.push(Skipped { line: number + 1, text: line.to_owned(), why });
        let Some(rest) = line.strip_prefix("nameserver") else {
            if line.trim_start().starts_with("nameserver") {
                skip("`nameserver` must stand at the beginning of its line");
            }
            continue;
        };
        if !rest.starts_with([' ', '\t']) {
            skip(if rest.is_empty() {
                "it names no address"
            } else {
                "a space must follow `nameserver`"
            });
            continue;
        }
        let word = rest
            .trim_start_matches([' ', '\t'])
            .split([' ', '\t', '\r'])
            .next()
            .unwrap_or_default();
        match server(word) {
            None if word.is_empty() => skip("it names no address"),
            None => skip("it names no address that can be read"),
            Some(_) if servers.len() >= SERVERS => skip("only the first three servers are asked"),
            Some(server) => servers.push(server),
        }
    }
    (servers, skipped)
}

fn server(word: &str) -> Option<Server> {
    if let Some(address) = inet_aton(word) {
        return Some(Server { address: address.into(), scope: None });
    }
    let (address, scope) =
        word.split_once('%').map_or((word, None), |(address, scope)| (address, Some(scope)));
    let address: Ipv6Addr = address.parse().ok()?;
    Some(Server { address: address.into(), scope: scope.map(str::to_owned) })
}

/// Reads an IPv4 address as `inet_aton` does: `127.1` is 127.0.0.1, and so is `0x7f.1`.
fn inet_aton(word: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = word.split('.').map(part).collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|part| *part > 255) {
        return None;
    }
    let bits_left = 32 - 8 * leading.len() as u32;
    if u64::from(*last) >= 1 << bits_left {
        return None;
    }
    let high = leading.iter().zip([24, 16, 8]).fold(0, |high, (part, shift)| high | part << shift);
    Some(Ipv4Addr::from(high | last))
}

/// Reads one part of an IPv4 address: hexadecimal after `0x`, octal after `0`, otherwise decimal.
fn part(text: &str) -> Option<u32> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    // `from_str_radix` also accepts a sign.
    let all_digits = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    if all_digits { u32::from_str_radix(digits, radix).ok() } else { None }
}

impl Server {
    /// Returns the address to ask, or `None` while the interface does not exist.
    fn place(&self) -> Option<SocketAddr> {
        match (self.address, &self.scope) {
            (IpAddr::V6(address), Some(scope)) => {
                Some(SocketAddrV6::new(address, PORT, 0, interface(scope)?).into())
            }
            (address, _) => Some(SocketAddr::new(address, PORT)),
        }
    }
}

/// Returns the index of a network interface. `scope` is its name or the index itself.
fn interface(scope: &str) -> Option<u32> {
    if let Ok(index) = scope.parse() {
        return Some(index);
    }
    // The name becomes part of a path, so it must not be a path itself.
    let is_name = !scope.is_empty() && !matches!(scope, "." | "..") && !scope.contains('/');
    let index = is_name
        .then(|| std::fs::read_to_string(format!("/sys/class/net/{scope}/ifindex")).ok())??;
    index.trim().parse().ok()
}

/// The modification time and length of the file, which show whether it was changed or replaced.
type Stamp = (SystemTime, u64);

/// The file, with its content when it was last read.
#[derive(Debug)]
pub(super) struct ResolvConf {
    path: PathBuf,
    read: Mutex<Option<(Option<Stamp>, Vec<Server>)>>,
}

impl ResolvConf {
    /// Creates a reader of the file, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), read: Mutex::default() }
    }

    /// Returns the servers to ask now. Reads the file again if it has changed, and then logs each
    /// line that names a server and is ignored.
    pub fn servers(&self) -> Vec<SocketAddr> {
        let stamp =
            std::fs::metadata(&self.path).and_then(|file| Ok((file.modified()?, file.len()))).ok();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let servers = match read.take() {
            Some((known, servers)) if known == stamp => servers,
            _ => self.read_anew(),
        };
        let places = servers.iter().filter_map(Server::place).collect();
        *read = Some((stamp, servers));
        places
    }

    fn read_anew(&self) -> Vec<Server> {
        let bytes = std::fs::read(&self.path).unwrap_or_else(|error| {
            let file = self.path.display();
            tracing::warn!(%file, %error, "the list of this machine's resolvers cannot be read");
            Vec::new()
        });
        let (mut servers, skipped) = parse(&String::from_utf8_lossy(&bytes));
        let file = self.path.display();
        for Skipped { line, text, why } in skipped {
            tracing::warn!(%file, line, text, why, "a line of this machine's resolvers is passed over");
        }
        for Server { address, scope } in servers.iter().filter(|server| server.place().is_none()) {
            let interface = scope.as_deref().unwrap_or_default();
            tracing::warn!(%file, %address, interface, "a resolver is left out until its interface is there");
        }
        if servers.is_empty() {
            servers.push(Server { address: Ipv4Addr::LOCALHOST.into(), scope: None });
        }
        servers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the servers, and the numbers of the lines that are ignored.
    fn read(text: &str) -> (Vec<String>, Vec<usize>) {
        let (servers, skipped) = parse(text);
        let shown = |Server { address, scope }: &Server| match scope {
            Some(scope) => format!("{address}%{scope}"),
            None => address.to_string(),
        };
        (servers.iter().map(shown).collect(), skipped.iter().map(|skipped| skipped.line).collect())
    }

    #[test]
    fn the_file_is_read_as_the_c_library_reads_it() {
        for (text, servers, skipped) in [
            ("nameserver 192.0.2.53 # home router\n", vec!["192.0.2.53"], vec![]),
            ("nameserver\t192.0.2.53\t; home router", vec!["192.0.2.53"], vec![]),
            ("nameserver 192.0.2.53\r\n", vec!["192.0.2.53"], vec![]),
            ("nameserver fe80::1%eth0", vec!["fe80::1%eth0"], vec![]),
            ("nameserver fe80::1%2 trailing words", vec!["fe80::1%2"], vec![]),
            ("nameserver 2001:db8::53", vec!["2001:db8::53"], vec![]),
            ("# nameserver 192.0.2.1\n;nameserver 192.0.2.2\n#nameserver", vec![], vec![]),
            (
                "search example.org\noptions edns0 timeout:1\nsortlist 192.0.2.0\ndomain kp",
                vec![],
                vec![],
            ),
            ("nameserver\nnameserver   \nnameserver \t# nothing", vec![], vec![1, 2, 3]),
            ("  nameserver 192.0.2.1", vec![], vec![1]),
            ("nameserver=192.0.2.1\nnameservers 192.0.2.1", vec![], vec![1, 2]),
            (
                "nameserver 192.0.2.53#home\nnameserver 192.0.2.53:53\nnameserver dns.example",
                vec![],
                vec![1, 2, 3],
            ),
            (
                "nameserver 127.1\nnameserver 0x7f.0.0.2\nnameserver 010.1.2.3",
                vec!["127.0.0.1", "127.0.0.2", "8.1.2.3"],
                vec![],
            ),
            (
                "nameserver 256.1.1.1\nnameserver 1.2.3.4.5\nnameserver 1..2\nnameserver +1.2.3.4",
                vec![],
                vec![1, 2, 3, 4],
            ),
            ("nameserver 2130706433", vec!["127.0.0.1"], vec![]),
            (
                "nameserver 192.0.2.1\nnameserver x\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
                vec!["192.0.2.1", "192.0.2.2", "192.0.2.3"],
                vec![2, 5],
            ),
            ("Nameserver 192.0.2.1\nNAMESERVER 192.0.2.1", vec![], vec![]),
        ] {
            let servers: Vec<String> = servers.into_iter().map(str::to_owned).collect();
            assert_eq!(read(text), (servers, skipped), "{text:?}");
        }
    }

    #[test]
    fn a_scope_becomes_the_number_of_its_interface() {
        let place = |word: &str| server(word).unwrap().place();
        let loopback =
            std::fs::read_to_string("/sys/class/net/lo/ifindex").unwrap().trim().to_owned();
        assert_eq!(place("fe80::1%lo"), Some(format!("[fe80::1%{loopback}]:53").parse().unwrap()));
        assert_eq!(place("fe80::1%7"), Some("[fe80::1%7]:53".parse().unwrap()));
        assert_eq!(place("fe80::1%no-such-interface"), None);
        assert_eq!(place("fe80::1%../lo"), None);
        assert_eq!(place("192.0.2.53"), Some("192.0.2.53:53".parse().unwrap()));
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_missing_one_means_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("resolv.conf");
        let conf = ResolvConf::new(&file);
        let servers = || conf.servers().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(servers(), ["127.0.0.1:53"]);
        std::fs::write(&file, "nameserver 192.0.2.53 # home router\n").unwrap();
        assert_eq!(servers(), ["192.0.2.53:53"]);
        std::fs::write(&file, "nameserver 192.0.2.54\nnameserver fe80::1%no-such-interface\n")
            .unwrap();
        assert_eq!(servers(), ["192.0.2.54:53"]);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(servers(), ["127.0.0.1:53"]);
    }
}
