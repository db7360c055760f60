//! Sites that ask for their own cookie back before they show a page.

use super::server::{Habit, NameServer, answer};
use super::site::{Asked, Site};
use super::tls::authority;
use super::{kit, said};

/// What a probe of `kcna.kp` says, and what the site was asked.
async fn asked(
    kind: &str,
    pages: impl Fn(&Asked, u16) -> String + Send + Sync + 'static,
) -> (String, Vec<Asked>) {
    let names = NameServer::start(Habit::Proper).await;
    for name in ["kcna.kp", "www.kcna.kp"] {
        names.leads(name, &["127.0.0.1"]);
    }
    let mut kit = kit(Some(names.address));
    kit.tls = authority();
    let port = std::sync::Arc::new(std::sync::atomic::AtomicU16::new(0));
    let known = std::sync::Arc::clone(&port);
    let site = Site::start(move |asked| {
        pages(asked, known.load(std::sync::atomic::Ordering::SeqCst)).into_bytes()
    })
    .await;
    port.store(site.address.port(), std::sync::atomic::Ordering::SeqCst);
    let said = said(&kit, &format!("{kind}://kcna.kp:{}/", site.address.port())).await;
    (said, site.asked())
}

fn redirect(to: &str, cookies: &[&str]) -> String {
    let cookies: Vec<String> =
        cookies.iter().map(|cookie| format!("Set-Cookie: {cookie}\r\n")).collect();
    answer("302 Found", &format!("Location: {to}\r\n{}", cookies.concat()), "")
}

#[tokio::test]
async fn a_site_that_redirects_to_itself_until_its_cookie_comes_back_works() {
    for (set, sent) in [
        (&["seen=1"][..], "seen=1"),
        (&["seen=1; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600"], "seen=1"),
        (
            &["a=1; path=/", "b=2; Domain=kcna.kp", "c=3; expires=Thu, 01 Jan 1970 00:00:00 GMT"],
            "a=1; b=2",
        ),
    ] {
        let (said, asked) = asked("http", move |asked, _| {
            if asked.cookie == sent {
                answer("200 OK", "", "front page")
            } else {
                redirect("/", set)
            }
        })
        .await;
        assert_eq!(said, "works", "{set:?}");
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[0].cookie, "", "cookies are forgotten with the attempt");
    }
}

#[tokio::test]
async fn a_circle_is_named_whatever_cookies_it_sets() {
    for set in [
        &[][..],
        &["seen=1"],
        &["other=1; Domain=example.org"],
        &["only=1; Path=/other"],
        &["secret=1; Secure"],
    ] {
        let (said, asked) = asked("http", move |_, _| redirect("/", set)).await;
        assert_eq!(said, "answers, but broken: redirects in a circle", "{set:?}");
        // Two attempts, each no longer than it takes to see the same request again.
        assert!(asked.len() <= 4, "{set:?}: {asked:?}");
    }
    // A cookie that is new each time is no circle, and has its end as well.
    let count = std::sync::atomic::AtomicUsize::new(0);
    let (said, asked) = asked("http", move |_, _| {
        let count = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        redirect("/", &[&format!("session={count}")])
    })
    .await;
    assert_eq!(said, "answers, but broken: redirects more than 5 times");
    assert_eq!(asked.len(), 12, "two attempts of six requests");
}

#[tokio::test]
async fn a_circle_between_http_and_https_is_named_though_https_sets_a_secure_cookie() {
    let (said, asked) = asked("http", |asked, port| {
        if asked.is_tls {
            redirect(&format!("http://kcna.kp:{port}/"), &["secret=1; Secure"])
        } else {
            redirect(&format!("https://kcna.kp:{port}/"), &[])
        }
    })
    .await;
    assert_eq!(said, "answers, but broken: redirects in a circle");
    assert_eq!(
        asked.iter().map(|asked| asked.is_tls).collect::<Vec<_>>(),
        [false, true, false, true]
    );
    assert!(asked.iter().all(|asked| asked.cookie.is_empty()));
}

#[tokio::test]
async fn a_cookie_goes_to_another_host_of_the_site_only_where_its_domain_says_so() {
    for (domain, sent) in [("", ""), ("; Domain=kcna.kp", "seen=1")] {
        let (said, asked) = asked("http", move |asked, port| {
            if asked.path == "/" {
                redirect(
                    &format!("http://www.kcna.kp:{port}/b"),
                    &[&format!("seen=1; Path=/{domain}")],
                )
            } else {
                answer("200 OK", "", "")
            }
        })
        .await;
        assert_eq!((said.as_str(), asked[1].cookie.as_str()), ("works", sent), "{domain}");
    }
}
