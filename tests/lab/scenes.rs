//! What breaks, and what must be told of it.

use crate::country::Country;
use std::future::Future;
use std::pin::Pin;

type Play = for<'a> fn(&'a mut Country) -> Pin<Box<dyn Future<Output = Result<(), String>> + 'a>>;

#[derive(Clone)]
pub struct Scene {
    pub name: &'static str,
    /// Whether the bot follows the live routes as well.
    pub follows_routes: bool,
    pub play: Play,
}

macro_rules! scene {
    ($name:literal, $follows:literal, $play:ident) => {
        Scene { name: $name, follows_routes: $follows, play: |country| Box::pin($play(country)) }
    };
}

pub fn all() -> Vec<Scene> {
    vec![
        // Four times as long as the others: begun first, they hold up nobody at the end.
        scene!("the day in minutes", true, the_day),
        scene!("slow return", true, slow_return),
        scene!("one cable", true, one_cable),
        scene!("both cables, by probes", false, both_cables),
        scene!("both cables, by routes", true, both_cables_by_routes),
        scene!("power off, by probes", false, power_off),
        scene!("power off, by routes", true, power_off),
        scene!("routes without answers", true, mute),
        scene!("dns only", true, dns_only),
        scene!("503 everywhere", true, error_pages),
        scene!("our own line", true, own_line),
        scene!("outage behind our cut", false, outage_behind_our_cut),
        scene!("30 % loss", true, loss),
        scene!("captive portal", false, portal),
        scene!("lying dns", false, liar),
    ]
}

/// One gateway is left: nothing is down, and nobody is woken.
async fn one_cable(country: &mut Country) -> Result<(), String> {
    country.scene("cable1").await?;
    country.silence(8).await?;
    let status = country.answers("/status KP").await;
    if !status.contains("China Unicom AS4837: gone") || !status.contains("North Korea is up") {
        return Err("the status does not say which gateway is gone".to_owned());
    }
    Ok(())
}

async fn both_cables(country: &mut Country) -> Result<(), String> {
    country.scene("cables").await?;
    country.hears("North Korea is down", 4).await?;
    country.holds("0 of 4 blocks answer")?;
    country.holds("China Unicom AS4837 answers · TransTelecom AS20485 answers")?;
    country.undo("cables").await?;
    country.hears("North Korea is back", 20).await
}

async fn both_cables_by_routes(country: &mut Country) -> Result<(), String> {
    country.scene("cables").await?;
    country.hears("North Korea is down", 3).await?;
    country.holds("China Unicom AS4837: gone · TransTelecom AS20485: gone, both within")?;
    country.holds("more like a fault or a switch inside than one cut cable")?;
    country.undo("cables").await?;
    country.hears("North Korea is back", 20).await
}

async fn power_off(country: &mut Country) -> Result<(), String> {
    country.scene("power").await?;
    country.hears("North Korea is down", 4).await?;
    country.holds("of 5 sites work")?;
    country.undo("power").await?;
    country.hears("North Korea is back", 20).await
}

async fn mute(country: &mut Country) -> Result<(), String> {
    country.scene("mute").await?;
    country.hears("North Korea is down", 4).await?;
    country.holds("The routes stayed when much behind them stopped answering")?;
    country.undo("mute").await?;
    country.hears("North Korea is back", 20).await
}

async fn dns_only(country: &mut Country) -> Result<(), String> {
    country.scene("dns").await?;
    country.hears("North Korea: name servers are down, the network is up", 10).await?;
    country.lacks("North Korea is down")?;
    country.holds("5 of 5 sites work")?;
    country.undo("dns").await?;
    country.hears("North Korea: name servers are back", 25).await
}

async fn error_pages(country: &mut Country) -> Result<(), String> {
    country.scene("web503").await?;
    country.hears("North Korea: web sites are down, the network is up", 10).await?;
    country.lacks("North Korea is down")?;
    country.holds("answers, but broken: http 503")?;
    country.holds("4 of 4 blocks answer")?;
    country.undo("web503").await?;
    country.hears("North Korea: web sites are back", 25).await
}

async fn own_line(country: &mut Country) -> Result<(), String> {
    country.scene("line").await?;
    country.silence(8).await?;
    let sources = country.answers("/sources").await;
    if !sources.contains("gone for") {
        return Err("`/sources` does not say that our own line is gone".to_owned());
    }
    country.undo("line").await?;
    country.silence(8).await?;
    let sources = country.answers("/sources").await;
    if sources.contains("good for") {
        Ok(())
    } else {
        Err("`/sources` does not say that it is good again".to_owned())
    }
}

/// It begins while we see nothing: the first alert comes within three rounds after our line is back, and not before.
async fn outage_behind_our_cut(country: &mut Country) -> Result<(), String> {
    country.script("scene line").await?;
    country.silence(3).await?;
    country.script("scene cables").await?;
    country.silence(4).await?;
    country.undo("line").await?;
    country.cut_is_now();
    country.hears("North Korea is down", 4).await
}

async fn loss(country: &mut Country) -> Result<(), String> {
    country.scene("loss").await?;
    country.silence(15).await?;
    country.undo("loss").await?;
    country.silence(5).await
}

async fn portal(country: &mut Country) -> Result<(), String> {
    country.scene("portal").await?;
    country.silence(6).await?;
    let sources = country.answers("/sources").await;
    if !sources.contains("somebody answers in place of") {
        return Err("`/sources` does not speak of the portal".to_owned());
    }
    country.undo("portal").await?;
    country.silence(6).await
}

async fn liar(country: &mut Country) -> Result<(), String> {
    country.scene("liar-public").await?;
    country.silence(6).await?;
    let sources = country.answers("/sources").await;
    if !sources.contains("somebody answers in place of") {
        return Err("`/sources` does not speak of the lie".to_owned());
    }
    country.undo("liar-public").await?;
    country.silence(6).await
}

/// Back in parts, with one failed first return.
async fn slow_return(country: &mut Country) -> Result<(), String> {
    country.scene("withdraw").await?;
    country.hears("North Korea is down", 3).await?;
    country.minutes(20).await;
    country.script("scene back1").await?;
    country.hears("North Korea is partly back", 25).await?;
    country.script("scene back2").await?;
    country.hears("North Korea is gone again", 15).await?;
    country.minutes(20).await;
    country.script("scene back4").await?;
    country.minutes(10).await;
    country.undo("back4").await?;
    country.hears("North Korea is back", 30).await
}

/// 7 June 2025: everything at once, a failed return of one block through China alone, then a return in parts.
async fn the_day(country: &mut Country) -> Result<(), String> {
    country.scene("withdraw").await?;
    country.hears("North Korea is down", 3).await?;
    country.minutes(30).await;
    country.script("scene back1").await?;
    country.minutes(15).await;
    country.script("scene back2").await?;
    country.minutes(20).await;
    country.script("scene back3").await?;
    country.minutes(10).await;
    country.script("scene back4").await?;
    country.minutes(10).await;
    country.undo("back4").await?;
    country.hears("North Korea is back", 40).await?;
    let ends: Vec<String> =
        country.titles().into_iter().filter(|title| title.contains("is back ·")).collect();
    if ends.len() == 1 { Ok(()) } else { Err(format!("one end is told, not {ends:?}")) }
}
