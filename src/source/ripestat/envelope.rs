//! The wrapper of every RIPEstat reply, and the checks that a reply must pass before its data is
//! used.

use crate::source::SourceError;
use crate::source::json::{Items, Loose, Member, excerpt, parse};
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    messages: Member<Items<Vec<Loose>>>,
    status: Loose,
    status_code: Loose,
    data_call_name: Loose,
}

#[derive(Deserialize)]
struct Whole<T> {
    data: T,
}

/// Returns the data of a reply to `call`. Checks the whole envelope, since RIPEstat also reports
/// errors with HTTP 200.
pub fn open<T: DeserializeOwned>(call: &str, body: &[u8]) -> Result<T, SourceError> {
    let head: Head = parse(body)?;
    let said = head.error();
    let word = head.status.text().unwrap_or_default();
    if word == "maintenance" {
        return Err(SourceError::empty("RIPEstat says that it is under maintenance"));
    }
    if word != "ok" || said.is_some() || head.status_code.whole() != Some(200) {
        let status =
            head.status_code.whole().and_then(|code| u16::try_from(code).ok()).unwrap_or(200);
        let said = said.unwrap_or_else(|| format!("its envelope says `{}`", excerpt(word)));
        // An error with HTTP 200 is usually an overload or a call that took too long. It may pass.
        return Err(if status >= 500 || status == 200 {
            SourceError::empty(format!("RIPEstat reports an error: {said}"))
        } else {
            SourceError::Refused { status, said }
        });
    }
    let answered = head.data_call_name.text().unwrap_or_default();
    if answered != call {
        let other = excerpt(answered);
        return Err(SourceError::malformed(format!("it answers {other} where {call} was asked")));
    }
    Ok(parse::<Whole<T>>(body)?.data)
}

/// Converts a 4xx reply to an error with the first message of severity `error`.
pub fn refusal(status: u16, body: &[u8]) -> SourceError {
    let said = parse::<Head>(body).ok().and_then(|head| head.error());
    SourceError::Refused { status, said: excerpt(&said.unwrap_or_default()) }
}

impl Head {
    fn error(&self) -> Option<String> {
        self.messages.0.iter().flat_map(|messages| &messages.read).find_map(|message| match message
            .as_slice()
        {
            [Loose::Text(severity), Loose::Text(text), ..] if severity == "error" => {
                Some(excerpt(text))
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Object {}

    fn opened(
        status: &str,
        code: &str,
        call: &str,
        messages: &str,
        data: &str,
    ) -> Result<(), SourceError> {
        let body = format!(
            r#"{{"messages":{messages},"status":"{status}","status_code":{code},"data_call_name":"{call}","data":{data}}}"#
        );
        open::<Object>("bgp-state", body.as_bytes()).map(|_| ())
    }

    #[test]
    fn only_an_answer_that_is_right_in_every_part_is_believed() {
        assert_eq!(opened("ok", "200", "bgp-state", r#"[["info","few peers"]]"#, "{}"), Ok(()));
        let why = |r: Result<(), SourceError>| r.unwrap_err().to_string();
        assert_eq!(
            why(opened("error", "200", "bgp-state", r#"[["error","timed out"]]"#, "{}")),
            "sent no data: RIPEstat reports an error: timed out"
        );
        assert_eq!(
            why(opened("ok", "400", "bgp-state", r#"[["error","bad resource"]]"#, "{}")),
            "refused the question (HTTP 400): bad resource"
        );
        assert!(
            why(opened("maintenance", "200", "bgp-state", "[]", "{}"))
                .contains("under maintenance")
        );
        assert!(
            why(opened("ok", "200", "visibility", "[]", "{}"))
                .contains("answers visibility where bgp-state")
        );
        assert!(why(opened("ok", "200", "bgp-state", "[]", "4")).contains("not of the shape"));
        assert!(why(opened("ok", "500", "bgp-state", "[]", "{}")).contains("reports an error"));
    }
}
