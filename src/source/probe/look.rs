//! Asks the controls, whose answers show whether the uplink works.

use super::dns::{self, AskError, Question};
use super::resolver::Resolved;
use super::uplink::{Answer, ControlAnswer, ControlCheck};
use super::{ProbeContext, tcp};
use crate::domain::{Ask, Control};
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::RecordType;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The time limit of one question. Controls are near or anycast, so a later answer will not come.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most bytes of a control's page that are read.
const PAGE_CAP: usize = 4 << 10;

/// Asks the controls with these indexes, all at once. Asks each a second time if its first attempt
/// was lost.
pub async fn look(kit: &ProbeContext, controls: &[Control], which: &[usize]) -> ControlCheck {
    let asked = which.iter().map(|control| async {
        let ask = &controls[*control].ask;
        let first = once(kit, ask).await;
        let at_once = first != ControlAnswer::Nothing;
        let said = if at_once { first } else { once(kit, ask).await };
        Answer { control: *control, said, at_once }
    });
    let answers = futures_util::future::join_all(asked).await;
    ControlCheck { at: kit.clock.millis(), wall: kit.clock.now().unix() * 1000, answers }
}

async fn once(kit: &ProbeContext, ask: &Ask) -> ControlAnswer {
    let (Ask::Resolver { server, .. } | Ask::Root { server } | Ask::Tcp { address: server }) = ask
    else {
        return page(kit, ask).await;
    };
    if !tcp::has_route(*server).await {
        return ControlAnswer::NoRoute;
    }
    match ask {
        Ask::Resolver { name, expect, .. } => resolver(kit, *server, name, expect).await,
        Ask::Root { .. } => root(kit, *server).await,
        _ => match kit.clock.within(PATIENCE, tcp::open(*server)).await {
            Some(Ok(_)) => ControlAnswer::Right,
            _ => ControlAnswer::Nothing,
        },
    }
}

async fn resolver(
    kit: &ProbeContext,
    server: SocketAddr,
    name: &str,
    expect: &[IpAddr],
) -> ControlAnswer {
    match ask(kit, server, name, RecordType::A, true).await {
        Ok(answer) => {
            let (addresses, _) = dns::addresses(&answer);
            match addresses.iter().find(|address| !expect.contains(address)) {
                Some(other) => ControlAnswer::Wrong(format!("{name} is at {other}")),
                None if addresses.is_empty() && is_a_denial(&answer) => {
                    ControlAnswer::Wrong(format!("{name} does not exist"))
                }
                // A resolver with a fault of its own (SERVFAIL) still proves that the uplink works.
                None => ControlAnswer::Right,
            }
        }
        Err(error) => lost(&error),
    }
}

async fn root(kit: &ProbeContext, server: SocketAddr) -> ControlAnswer {
    match ask(kit, server, ".", RecordType::SOA, false).await {
        // A root server answers with authority. An interceptor does not, or does not know the root.
        Ok(answer) => {
            if answer.metadata.response_code == ResponseCode::NXDomain {
                ControlAnswer::Wrong("the root does not exist".to_owned())
            } else if answer.metadata.response_code == ResponseCode::NoError
                && !answer.metadata.authoritative
            {
                ControlAnswer::Wrong("an answer about the root without its authority".to_owned())
            } else {
                ControlAnswer::Right
            }
        }
        Err(error) => lost(&error),
    }
}

async fn ask(
    kit: &ProbeContext,
    server: SocketAddr,
    name: &str,
    record: RecordType,
    recursion: bool,
) -> Result<Message, AskError> {
    let question = Question::new(name, record, recursion)?;
    dns::ask(&kit.clock, server, &question, PATIENCE).await.map(|(answer, _)| answer)
}

/// Returns whether the answer denies that the name has the record. The name is known to exist, so a
/// denial is false.
fn is_a_denial(answer: &Message) -> bool {
    matches!(answer.metadata.response_code, ResponseCode::NXDomain | ResponseCode::NoError)
}

fn lost(error: &AskError) -> ControlAnswer {
    match error {
        AskError::Silent { .. } | AskError::Socket(_) => ControlAnswer::Nothing,
        AskError::Malformed(why) => ControlAnswer::Wrong(format!("an answer that is {why}")),
    }
}

async fn page(kit: &ProbeContext, ask: &Ask) -> ControlAnswer {
    let Ask::Page { host, port, path, status, text } = ask else { return ControlAnswer::Nothing };
    let addresses = match kit.resolver.resolve(host, None).await {
        Resolved::Fresh(addresses) | Resolved::LastGood { addresses, .. } => addresses,
        Resolved::Unknown { .. } => return ControlAnswer::Nothing,
    };
    let Some(address) = addresses.iter().find(|address| address.is_ipv4()) else {
        return ControlAnswer::Nothing;
    };
    // The control is known to be public, so a private address for its name is forged.
    if let Some(why) = kit.guard.refuses(*address) {
        return ControlAnswer::Wrong(format!("{host} is at {address}, which is {why}"));
    }
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: {}\r\nAccept-Encoding: identity\r\n\r\n",
        kit.agent
    );
    let fetched = kit.clock.within(PATIENCE, async {
        let mut stream = tcp::open(SocketAddr::new(*address, *port)).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(PAGE_CAP as u64).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    });
    let Some(Ok(answer)) = fetched.await else { return ControlAnswer::Nothing };
    let answer = String::from_utf8_lossy(&answer);
    let said: Option<u16> = answer.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    let holds_text = text
        .as_ref()
        .is_none_or(|text| answer.split("\r\n\r\n").nth(1).is_some_and(|body| body.contains(text)));
    match said {
        Some(said) if said == *status && holds_text => ControlAnswer::Right,
        Some(said) if said == *status => ControlAnswer::Wrong(format!("another page at {host}")),
        // The server has a fault, but it is the right server.
        Some(500..) => ControlAnswer::Right,
        Some(said) => ControlAnswer::Wrong(format!("http {said} at {host}")),
        None => ControlAnswer::Nothing,
    }
}
