//! Web servers that answer, and those that do not know how.

use super::server::{answer, nobody, on_tcp, page};
use super::{kit, said, target};
use linkdown::domain::ProbeKind;
use linkdown::source::probe::attempt::probe;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn an_error_page_is_an_answer_but_a_broken_one() {
    let kit = kit(None);
    for (status, expected) in [
        ("200 OK", "works"),
        ("304 Not Modified", "works"),
        ("403 Forbidden", "answers, but broken: http 403"),
        ("503 Service Unavailable", "answers, but broken: http 503"),
    ] {
        let site = page(answer(status, "", "")).await;
        assert_eq!(said(&kit, &format!("http://{site}/")).await, expected);
    }
    assert_eq!(
        said(&kit, &format!("http://{}/", nobody().await)).await,
        "answers, but broken: refuses the connection"
    );
}

#[tokio::test]
async fn the_expected_text_must_be_there() {
    let site = page(answer("200 OK", "", "<title>This domain is for sale</title>")).await;
    let mut asked = target(&format!("http://{site}/"));
    let ProbeKind::Http { text, .. } = &mut asked.knock else { unreachable!() };
    *text = Some("KCNA".to_owned());
    let outcome = probe(&kit(None), &asked).await.outcome();
    assert_eq!(outcome.to_string(), "answers, but broken: the page lacks `KCNA`");
}

#[tokio::test]
async fn a_request_says_who_asks_and_asks_once() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listening = Arc::clone(&heard);
    let site = on_tcp(move |mut stream| {
        let heard = Arc::clone(&listening);
        async move {
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            heard.lock().unwrap().push(String::from_utf8_lossy(&request[..length]).to_lowercase());
            let _ = stream.write_all(answer("200 OK", "", "").as_bytes()).await;
        }
    })
    .await;
    assert_eq!(said(&kit(None), &format!("http://{site}/a?b=c")).await, "works");
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 1);
    assert!(heard[0].starts_with("get /a?b=c http/1.1\r\n"), "{}", heard[0]);
    assert!(
        heard[0].contains("user-agent: linkdown/")
            && heard[0].contains("(+https://example.org/linkdown)")
    );
    assert!(
        heard[0].contains("connection: close") && heard[0].contains("accept-encoding: identity")
    );
}

#[tokio::test]
async fn a_server_that_wastes_our_time_gets_no_more_of_it_than_its_share() {
    let kit = kit(None);
    let says_nothing = on_tcp(|stream| async move {
        tokio::time::sleep(Duration::from_mins(1)).await;
        drop(stream);
    })
    .await;
    let drips = on_tcp(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let drips_a_body = on_tcp(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    for site in [says_nothing, drips, drips_a_body] {
        let began = std::time::Instant::now();
        let outcome = said(&kit, &format!("http://{site}/")).await;
        assert_eq!(outcome, "answers, but broken: takes the connection, but gives no page in 3 s");
        // Two attempts of 4 s at twenty times the pace.
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_server_that_sends_for_ever_is_read_no_further_than_the_cap() {
    let sent = Arc::new(Mutex::new(0_usize));
    let counting = Arc::clone(&sent);
    let site = on_tcp(move |mut stream| {
        let sent = Arc::clone(&counting);
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            let chunk = [b"4000\r\n".to_vec(), vec![b'x'; 0x4000], b"\r\n".to_vec()].concat();
            while stream.write_all(&chunk).await.is_ok() {
                *sent.lock().unwrap() += 0x4000;
            }
        }
    })
    .await;
    assert_eq!(said(&kit(None), &format!("http://{site}/")).await, "works");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(*sent.lock().unwrap() < 8 << 20, "what the system's buffers hold, and no more");
}

#[tokio::test]
async fn what_is_no_http_is_said_to_be_none() {
    let kit = kit(None);
    let oversized = format!("HTTP/1.1 200 OK\r\nX-Big: {}\r\n\r\n", "y".repeat(200 << 10));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: b\r\n".repeat(1000));
    for (bytes, expected) in [
        (b"220 mail.example ESMTP\r\n".to_vec(), "no HTTP: "),
        (oversized.into_bytes(), "its headers are too large"),
        (many.into_bytes(), "its headers are too large"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".to_vec(),
            "hangs up before the page is whole",
        ),
        (Vec::new(), "hangs up before the page is whole"),
    ] {
        let site = page(bytes).await;
        let outcome = said(&kit, &format!("http://{site}/")).await;
        assert!(outcome.starts_with(&format!("answers, but broken: {expected}")), "{outcome}");
    }
}
