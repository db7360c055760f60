//! The text of an error of the Discord library.

use serenity::gateway::GatewayError;
use serenity::http::HttpError;

/// Returns the text of an error without any address, which may contain an interaction's token.
pub(super) fn words(error: &serenity::Error) -> String {
    const TOKEN: &str = "the token is refused: it is wrong or was reset. Make a new one on the Bot page of the developer \
                         portal, put it into LINKDOWN_DISCORD_TOKEN and start again";
    match error {
        serenity::Error::Gateway(GatewayError::InvalidAuthentication) => TOKEN.to_owned(),
        serenity::Error::Gateway(error) => format!("the gateway ended the connection: {error}"),
        serenity::Error::Http(HttpError::UnsuccessfulRequest(answer)) => {
            match answer.status_code.as_u16() {
                401 => TOKEN.to_owned(),
                status => format!("Discord answered {status}: {}", answer.error.message),
            }
        }
        serenity::Error::Http(HttpError::Request(error)) if error.is_timeout() => {
            "no answer in time".to_owned()
        }
        serenity::Error::Http(_) => "Discord cannot be reached".to_owned(),
        serenity::Error::Tungstenite(_) => "the gateway cannot be reached".to_owned(),
        _ => "Discord's answer could not be read".to_owned(),
    }
}
