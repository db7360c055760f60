//! Redirects: how far they are followed, and what of the operator's network their answers tell.

use super::server::{Habit, NameServer, answer, on_tcp, page};
use super::site::Site;
use super::tls::authority;
use super::{kit, kit_that_allows, said};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

fn to(place: &str) -> String {
    answer("302 Found", &format!("Location: {place}\r\n"), "")
}

async fn names() -> NameServer {
    let names = NameServer::start(Habit::Proper).await;
    for name in ["kcna.kp", "www.kcna.kp", "parking.example"] {
        names.leads(name, &["127.0.0.1"]);
    }
    names
}

#[tokio::test]
async fn redirects_are_followed_within_the_site_and_no_further() {
    let names = names().await;
    let mut kit = kit(Some(names.address));
    kit.tls = authority();
    for (place, expected) in [
        ("http://www.kcna.kp:PORT/home", "works"),
        ("https://kcna.kp:PORT/home", "works"),
        ("//www.kcna.kp:PORT/home", "works"),
        ("home", "works"),
        (
            "http://parking.example:PORT/home",
            "answers, but broken: redirects to a foreign site, parking.example",
        ),
        (
            "http://nowhere.example/",
            "answers, but broken: redirects to a foreign site, nowhere.example",
        ),
        (
            "http://127.0.0.1:PORT/home",
            "answers, but broken: redirects to a foreign site, 127.0.0.1",
        ),
        ("file:///etc/passwd", "answers, but broken: redirects to file:"),
        (
            "http://intranet/",
            "answers, but broken: redirects to `intranet`, a name without a domain",
        ),
        ("/", "answers, but broken: redirects in a circle"),
    ] {
        let port = Arc::new(AtomicU16::new(0));
        let known = Arc::clone(&port);
        let site = Site::start(move |asked| {
            let place = place.replace("PORT", &known.load(Ordering::SeqCst).to_string());
            let answer =
                if asked.path == "/home" { answer("200 OK", "", "home") } else { to(&place) };
            answer.into_bytes()
        })
        .await;
        port.store(site.address.port(), Ordering::SeqCst);
        assert_eq!(
            said(&kit, &format!("http://kcna.kp:{}/", site.address.port())).await,
            expected,
            "{place}"
        );
    }
    let count = AtomicUsize::new(0);
    let endless = Site::start(move |_| {
        to(&format!("/{}", count.fetch_add(1, Ordering::SeqCst))).into_bytes()
    })
    .await;
    let outcome = said(&kit, &format!("http://kcna.kp:{}/", endless.address.port())).await;
    assert_eq!(outcome, "answers, but broken: redirects more than 5 times");
}

#[tokio::test]
async fn what_was_asked_over_https_is_not_asked_over_http() {
    let names = names().await;
    let mut kit = kit(Some(names.address));
    kit.tls = authority();
    let site = Site::start(|_| to("http://kcna.kp/").into_bytes()).await;
    let outcome = said(&kit, &format!("https://kcna.kp:{}/", site.address.port())).await;
    assert_eq!(outcome, "answers, but broken: redirects from https to http");
}

#[tokio::test]
async fn a_foreign_site_is_not_even_resolved() {
    let names = names().await;
    let kit = kit(Some(names.address));
    for place in [
        "http://parking.example/",
        "http://printer.office.example:9100/",
        "https://nowhere.example/",
    ] {
        let site = page(to(place)).await;
        let outcome = said(&kit, &format!("http://kcna.kp:{}/", site.port())).await;
        assert!(
            outcome.starts_with("answers, but broken: redirects to a foreign site, "),
            "{outcome}"
        );
    }
    assert!(names.asked().iter().all(|name| name == "kcna.kp"), "{:?}", names.asked());
}

#[tokio::test]
async fn another_port_is_neither_dialled_nor_told_of() {
    let names = names().await;
    let kit = kit(Some(names.address));
    let dialled = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&dialled);
    let other = on_tcp(move |_| {
        counting.fetch_add(1, Ordering::SeqCst);
        async {}
    })
    .await;
    let closed = super::server::nobody().await;
    for port in [other.port(), closed.port()] {
        for host in ["kcna.kp", "www.kcna.kp", "other.kcna.kp"] {
            let site = page(to(&format!("http://{host}:{port}/"))).await;
            let outcome = said(&kit, &format!("http://kcna.kp:{}/", site.port())).await;
            let expected =
                format!("answers, but broken: redirects to port {port}, which is not probed");
            assert_eq!(outcome, expected, "an open port and a closed one look alike");
        }
    }
    assert_eq!(dialled.load(Ordering::SeqCst), 0);
    assert!(names.asked().iter().all(|name| name == "kcna.kp"), "{:?}", names.asked());
}

#[tokio::test]
async fn a_name_that_leads_inside_and_one_that_does_not_exist_are_told_alike() {
    let names = names().await;
    names.leads("inner.kcna.kp", &["10.0.0.1"]);
    names.leads("mixed.kcna.kp", &["127.0.0.1", "10.0.0.2"]);
    names.leads("empty.kcna.kp", &[]);
    // The site itself stands on loopback here, which is allowed by name; nothing else is.
    let kit = kit_that_allows(&["127.0.0.1/32"], Some(names.address));
    for host in ["inner.kcna.kp", "mixed.kcna.kp", "empty.kcna.kp", "nowhere.kcna.kp"] {
        let site = page(to(&format!("http://{host}/"))).await;
        let outcome = said(&kit, &format!("http://kcna.kp:{}/", site.port())).await;
        assert_eq!(
            outcome,
            format!("answers, but broken: redirects to {host}, which cannot be reached")
        );
    }
}
