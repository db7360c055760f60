//! The hosts that are probed, in a process of their own: their cost is not the bot's.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// Ports at which each kind is answered, at every address of loopback.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub http: u16,
    pub tcp: u16,
    pub dns: u16,
    pub smtp: u16,
}

/// The process, which ends with this.
pub struct Hosts {
    child: Child,
    pub ports: Ports,
}

impl Hosts {
    pub fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let ports: Vec<u16> = line.split_whitespace().map(|port| port.parse().unwrap()).collect();
        let [http, tcp, dns, smtp] = ports[..] else { panic!("{line}") };
        Self { child, ports: Ports { http, tcp, dns, smtp } }
    }

    /// Ends it; how many were asked in each tenth of a minute, over all minutes.
    pub fn tenths(mut self) -> Vec<u64> {
        drop(self.child.stdin.take());
        let mut line = String::new();
        BufReader::new(self.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line.split_whitespace().map(|count| count.parse().unwrap()).collect()
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

type Tenths = Arc<Mutex<[u64; 10]>>;

fn note(tenths: &Tenths) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    tenths.lock().unwrap()[(now % 60_000 / 6_000) as usize] += 1;
}

/// Serves until nobody holds its input any more.
pub async fn run() {
    let tenths = Tenths::default();
    let bind = || async { TcpListener::bind("0.0.0.0:0").await.unwrap() };
    let (http, tcp, smtp) = (bind().await, bind().await, bind().await);
    let dns = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    let port = |address: SocketAddr| address.port();
    println!(
        "{} {} {} {}",
        port(http.local_addr().unwrap()),
        port(tcp.local_addr().unwrap()),
        port(dns.local_addr().unwrap()),
        port(smtp.local_addr().unwrap())
    );
    std::io::stdout().flush().unwrap();
    let noting = Arc::clone(&tenths);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = http.accept().await {
            note(&noting);
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 2048]).await;
                let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: 1024\r\n\r\n";
                let _ = stream.write_all(format!("{page}{}", "x".repeat(1024)).as_bytes()).await;
            });
        }
    });
    let noting = Arc::clone(&tenths);
    tokio::spawn(async move {
        while let Ok((stream, _)) = tcp.accept().await {
            note(&noting);
            drop(stream);
        }
    });
    let noting = Arc::clone(&tenths);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = smtp.accept().await {
            note(&noting);
            tokio::spawn(async move {
                let _ = stream.write_all(b"220 mail ESMTP\r\n").await;
                let _ = stream.read(&mut [0; 512]).await;
                let _ = stream.write_all(b"250 mail\r\n").await;
                let _ = stream.read(&mut [0; 512]).await;
            });
        }
    });
    let noting = Arc::clone(&tenths);
    tokio::spawn(async move {
        let mut asked = [0; 512];
        while let Ok((length, from)) = dns.recv_from(&mut asked).await {
            note(&noting);
            // The question sent back as an answer with authority.
            asked[2] |= 0x84;
            let _ = dns.send_to(&asked[..length], from).await;
        }
    });
    let _ =
        tokio::task::spawn_blocking(|| std::io::stdin().lock().read_line(&mut String::new())).await;
    let shown: Vec<String> = tenths.lock().unwrap().iter().map(ToString::to_string).collect();
    println!("{}", shown.join(" "));
}
