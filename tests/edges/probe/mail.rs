//! Mail hosts: what is said to them, and what they say.

use super::server::on_tcp;
use super::{kit, said};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

type Replies = &'static [(&'static str, &'static str)];

/// Greets, then answers each word as told; keeps what it heard.
async fn host(
    greeting: &'static str,
    replies: Replies,
) -> (std::net::SocketAddr, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hearing = Arc::clone(&heard);
    let address = on_tcp(move |stream| {
        let heard = Arc::clone(&hearing);
        async move {
            let mut stream = BufReader::new(stream);
            let _ = stream.write_all(greeting.as_bytes()).await;
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                let word = line.trim_end().to_owned();
                heard.lock().unwrap().push(word.clone());
                line.clear();
                if let Some((_, reply)) = replies.iter().find(|(said, _)| word.starts_with(said)) {
                    let _ = stream.write_all(reply.as_bytes()).await;
                }
            }
        }
    })
    .await;
    (address, heard)
}

#[tokio::test]
async fn a_mail_host_is_greeted_and_left_and_never_given_a_message() {
    let (address, heard) = host(
        "220-welcome\r\n220 mail.kp ESMTP\r\n",
        &[("EHLO", "250-mail.kp\r\n250 STARTTLS\r\n"), ("QUIT", "221 bye\r\n")],
    )
    .await;
    assert_eq!(said(&kit(None), &format!("smtp://{address}")).await, "works");
    for _ in 0..100 {
        if heard.lock().unwrap().len() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(*heard.lock().unwrap(), ["EHLO linkdown.invalid", "QUIT"]);
}

#[tokio::test]
async fn what_a_mail_host_says_otherwise_is_told_apart() {
    let old = host("220 old\r\n", &[("EHLO", "502 what?\r\n"), ("HELO", "250 old\r\n")]).await.0;
    let refusing = host("554 go away\r\n", &[]).await.0;
    let no_mail = host("HTTP/1.1 400 Bad Request\r\n\r\n", &[]).await.0;
    let endless =
        on_tcp(|mut stream| async move { while stream.write_all(&[b'2'; 4096]).await.is_ok() {} })
            .await;
    let silent = host("", &[]).await.0;
    let cut = on_tcp(|mut stream| async move {
        let _ = stream.write_all(b"220-and then").await;
    })
    .await;
    for (address, expected) in [
        (old, "works"),
        (refusing, "answers, but broken: greets with 554"),
        (no_mail, "answers, but broken: no SMTP: a line that never ends, or one without a code"),
        (endless, "answers, but broken: no SMTP: a line that never ends, or one without a code"),
        (silent, "answers, but broken: takes the connection and says nothing for 3 s"),
        (cut, "answers, but broken: hangs up in the middle"),
    ] {
        assert_eq!(said(&kit(None), &format!("smtp://{address}")).await, expected);
    }
}
