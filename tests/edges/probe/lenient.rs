//! Web servers that are sloppy about what says nothing of whether they can be reached. Browsers and
//! curl show the pages of all of them.

use super::server::{Habit, NameServer, on_tcp, page};
use super::site::Site;
use super::tls::{at, authority, trusting};
use super::{kit, said, target};
use linkdown::domain::{ProbeKind, Target};
use linkdown::source::probe::attempt::probe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The target, which must hold `front page`.
fn with_text(mut target: Target) -> Target {
    let ProbeKind::Http { text, .. } = &mut target.knock else { unreachable!() };
    *text = Some("front page".to_owned());
    target
}

#[tokio::test]
async fn a_sloppy_head_is_read_as_browsers_read_it() {
    let kit = kit(None);
    for head in [
        "HTTP/1.1 200 OK\r\nPHP Warning: Module \"x\" is already loaded in Unknown on line 0\r\nContent-Length: 10\r\n",
        "HTTP/1.1 200 OK\r\nPHP Warning  Module x is already loaded\r\nContent-Length: 10\r\n",
        "HTTP/1.1 200 OK\r\nServer : Apache\r\nContent-Length : 10\r\n",
        "HTTP/1.1 200 OK\r\nX-A: b\r\n\tfolded\r\nContent-Length: 10\r\n",
        "HTTP/1.1 200 OK\r\n folded onto nothing\r\nContent-Length: 10\r\n",
        "HTTP/1.1 200 OK\r\n: nameless\r\nX-\u{e9}t\u{e9}: \u{e9}\u{0}\u{1}\r\nX-(odd)@: [b]\r\nContent-Length: 10\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 10\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 10\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10, 10\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 99\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: ten\r\n",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200\r\nContent-Length: 10\r\n",
        "HTTP/1.1 200 \u{d655}\u{c778}\r\nContent-Length: 10\r\n",
        "http/1.1 200 OK\r\nContent-Length: 10\r\n",
        "HTTP/1.1  200  OK\r\nContent-Length: 10\r\n",
        "HTTP/1.0 200 OK\r\n",
        "HTTP/2 200\r\nContent-Length: 10\r\n",
        "\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 10\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 10\r\n",
    ] {
        let site = page(format!("{head}\r\nfront page")).await;
        let outcome = probe(&kit, &with_text(target(&format!("http://{site}/")))).await.outcome();
        assert_eq!(outcome.to_string(), "works", "{head:?}");
    }
}

#[tokio::test]
async fn many_and_long_header_lines_are_read_up_to_the_cap() {
    let kit = kit(None);
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: b\r\n".repeat(500));
    let long = format!("HTTP/1.1 200 OK\r\nSet-Cookie: a={}\r\n\r\n", "y".repeat(100 << 10));
    for bytes in [many, long] {
        let site = page(bytes).await;
        assert_eq!(said(&kit, &format!("http://{site}/")).await, "works");
    }
    // Interim responses share the cap: a server that sends nothing else is not read for ever.
    let hints = on_tcp(|mut stream| async move {
        let hint = format!("HTTP/1.1 103 Early Hints\r\nX-A: {}\r\n\r\n", "y".repeat(1 << 10));
        while stream.write_all(hint.as_bytes()).await.is_ok() {}
    })
    .await;
    let outcome = said(&kit, &format!("http://{hints}/")).await;
    assert_eq!(outcome, "answers, but broken: its headers are too large");
}

#[tokio::test]
async fn chunks_are_put_together_however_they_are_written() {
    let kit = kit(None);
    for (body, expected) in [
        ("5\r\nfront\r\n5\r\n page\r\n0\r\n\r\n", "works"),
        ("5;a=b\r\nfront\r\n5  \n page\n0\nTrailer: x\r\n\r\n", "works"),
        ("a\r\nfront page\r\n0\r\n", "works"),
        ("a\r\nfront page\r\n", "answers, but broken: hangs up before the page is whole"),
        ("front page", "answers, but broken: no HTTP: a chunk of the page has no size"),
    ] {
        let site = page(format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n{body}"
        ))
        .await;
        let outcome = probe(&kit, &with_text(target(&format!("http://{site}/")))).await.outcome();
        assert_eq!(outcome.to_string(), expected, "{body:?}");
    }
}

#[tokio::test]
async fn a_page_that_only_the_end_of_the_connection_ends_is_whole_without_a_farewell_of_tls() {
    for (answer, expected) in [
        ("HTTP/1.0 200 OK\r\n\r\nfront page", "works"),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfront page", "works"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfront page", "works"),
        ("HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nfront page", "works"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nfront page",
            "answers, but broken: hangs up before the page is whole",
        ),
        ("HTTP/1.1 200 OK\r\nX-A", "answers, but broken: hangs up before the page is whole"),
    ] {
        let site = Site::start(move |_| answer.as_bytes().to_vec()).await;
        for kind in ["http", "https"] {
            let outcome = probe(&trusting(), &with_text(at(kind, site.address))).await.outcome();
            assert_eq!(outcome.to_string(), expected, "{kind} {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_reset_behind_the_page_is_no_fault_of_the_page() {
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfront page", "works"),
        ("HTTP/1.0 200 OK\r\n\r\nfront page", "works"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nfront page",
            "answers, but broken: hangs up before the page is whole",
        ),
    ] {
        let site = on_tcp(move |mut stream| async move {
            // The rest of the request is never read: the system then resets the connection.
            let _ = stream.read(&mut [0; 16]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        })
        .await;
        let outcome =
            probe(&kit(None), &with_text(target(&format!("http://{site}/")))).await.outcome();
        assert_eq!(outcome.to_string(), expected, "{answer:?}");
    }
}

#[tokio::test]
async fn a_server_that_answers_before_it_is_asked_is_read() {
    let site = on_tcp(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfront page").await;
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    let outcome = probe(&kit(None), &with_text(target(&format!("http://{site}/")))).await.outcome();
    assert_eq!(outcome.to_string(), "works");
}

#[tokio::test]
async fn a_path_beyond_ascii_is_asked_for_as_browsers_ask() {
    let site = Site::start(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    assert_eq!(
        said(&kit(None), &format!("http://{}/\u{d55c}\u{ad6d}?a=\u{e9}", site.address)).await,
        "works"
    );
    assert_eq!(site.asked()[0].path, "/%ED%95%9C%EA%B5%AD?a=%C3%A9");
}

#[tokio::test]
async fn a_redirect_to_the_same_host_is_dialled_where_the_host_is_probed() {
    // Its name server is gone; the address is the one that somebody wrote down.
    let names = NameServer::start(Habit::Silent).await;
    let site = Site::start(|asked| match asked.path.as_str() {
        "/" => {
            b"HTTP/1.1 302 Found\r\nLocation: /\xed\x95\x9c\r\nContent-Length: 0\r\n\r\n".to_vec()
        }
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfront page".to_vec(),
    })
    .await;
    let mut kit = kit(Some(names.address));
    kit.tls = authority();
    let found = probe(&kit, &with_text(at("http", site.address))).await;
    assert_eq!(found.outcome().to_string(), "works");
    assert_eq!(site.asked()[1].path, "/%ED%95%9C");
}
