//! What the shop has: artists, albums, playlists, and a search.

use bandstand::prelude::*;
use serde::{Deserialize, Serialize};

use crate::models::{Album, Artist, Playlist, Track};

/// Entries of one page.
const PAGE: u64 = 60;
/// The most of each sort that a search shows.
const FOUND: u64 = 20;
/// The longest text to search for, in characters.
const MAX_SEARCH: usize = 100;

/// Which page of a list is asked for; the first where that makes no sense.
#[derive(Deserialize)]
pub struct Page {
    #[serde(default)]
    page: String,
}

impl Page {
    /// The page's number, and how many pages there are for so many entries.
    fn of(&self, total: u64) -> (u64, u64) {
        let pages = total.div_ceil(PAGE).max(1);
        (self.page.parse().unwrap_or(1).clamp(1, pages), pages)
    }
}

/// Minutes and seconds, with hours where there are any.
fn time(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[derive(Serialize)]
struct ArtistCard {
    id: Id<Artist>,
    name: Option<String>,
    albums: u64,
}

#[get("/", name = "artists")]
pub async fn artists(req: &Request, page: Query<Page>) -> Result<Response> {
    let total = Artist::objects().count().await?;
    let (page, pages) = page.of(total);
    let rows = Artist::objects().order_by([Artist::NAME.asc(), Artist::ID.asc()]).annotate(Artist::ALBUM_SET.count());
    let rows = rows.limit(PAGE).offset((page - 1) * PAGE).all().await?;
    let artists: Vec<ArtistCard> =
        rows.into_iter().map(|(artist, albums)| ArtistCard { id: artist.id, name: artist.name, albums }).collect();
    render(req, "chinook/artists.html", context! { artists, total, page, pages })
}

#[derive(Serialize)]
struct AlbumCard {
    id: Id<Album>,
    title: String,
    tracks: u64,
}

#[get("/artists/{artist}/", name = "artist")]
pub async fn artist(req: &Request, artist: Path<Id<Artist>>) -> Result<Response> {
    let artist = Artist::objects().get_or_404(artist).await?;
    let rows = artist.album_set().order_by([Album::TITLE.asc(), Album::ID.asc()]);
    let rows = rows.annotate(Album::TRACK_SET.count()).all().await?;
    let albums: Vec<AlbumCard> =
        rows.into_iter().map(|(album, tracks)| AlbumCard { id: album.id, title: album.title, tracks }).collect();
    render(req, "chinook/artist.html", context! { artist, albums })
}

#[derive(Serialize)]
struct AlbumTrack {
    name: String,
    composer: Option<String>,
    genre: Option<String>,
    media: Option<String>,
    time: String,
    price: Decimal,
}

#[get("/albums/{album}/", name = "album")]
pub async fn album(req: &Request, album: Path<Id<Album>>) -> Result<Response> {
    let album = Album::objects().select_related(Album::ARTIST).get_or_404(album).await?;
    let artist = album.artist().await?;
    let rows =
        album.track_set().select_related((Track::GENRE, Track::MEDIA_TYPE)).order_by(Track::ID.asc()).all().await?;
    let (mut milliseconds, mut price) = (0, Decimal::ZERO);
    let mut tracks = Vec::with_capacity(rows.len());
    for track in &rows {
        milliseconds += track.milliseconds;
        price += track.unit_price;
        let genre = track.genre().await?.and_then(|genre| genre.name.clone());
        let media = track.media_type().await?.name.clone();
        tracks.push(AlbumTrack {
            name: track.name.clone(),
            composer: track.composer.clone(),
            genre,
            media,
            time: time(track.milliseconds),
            price: track.unit_price,
        });
    }
    let time = time(milliseconds);
    render(req, "chinook/album.html", context! { album, artist, tracks, time, price })
}

#[derive(Serialize)]
struct PlaylistCard {
    id: Id<Playlist>,
    name: Option<String>,
    tracks: u64,
}

#[get("/playlists/", name = "playlists")]
pub async fn playlists(req: &Request) -> Result<Response> {
    let rows = Playlist::objects().order_by([Playlist::NAME.asc(), Playlist::ID.asc()]);
    let rows = rows.annotate(Playlist::TRACKS.count()).all().await?;
    let playlists: Vec<PlaylistCard> =
        rows.into_iter().map(|(list, tracks)| PlaylistCard { id: list.id, name: list.name, tracks }).collect();
    render(req, "chinook/playlists.html", context! { playlists })
}

/// A track in a list.
#[derive(Serialize)]
struct TrackLine {
    name: String,
    album: Option<Id<Album>>,
    title: Option<String>,
    artist: Option<String>,
    time: String,
}

/// Tracks with their albums and artists, all in one query.
async fn lines(tracks: QuerySet<Track>) -> Result<Vec<TrackLine>> {
    let album = Track::ALBUM;
    let columns = (Track::NAME, album, album.title(), album.artist().name(), Track::MILLISECONDS);
    let rows = tracks.order_by([Track::NAME.asc(), Track::ID.asc()]).values(columns).all().await?;
    let line =
        |(name, album, title, artist, milliseconds)| TrackLine { name, album, title, artist, time: time(milliseconds) };
    Ok(rows.into_iter().map(line).collect())
}

#[get("/playlists/{playlist}/", name = "playlist")]
pub async fn playlist(req: &Request, playlist: Path<Id<Playlist>>, page: Query<Page>) -> Result<Response> {
    let playlist = Playlist::objects().get_or_404(playlist).await?;
    let total = playlist.tracks().count().await?;
    let (page, pages) = page.of(total);
    let tracks = lines(playlist.tracks().query().limit(PAGE).offset((page - 1) * PAGE)).await?;
    render(req, "chinook/playlist.html", context! { playlist, total, tracks, page, pages })
}

#[derive(Deserialize)]
pub struct Search {
    #[serde(default)]
    q: String,
}

#[derive(Serialize)]
struct Found<T> {
    id: Id<T>,
    name: Option<String>,
}

#[derive(Serialize)]
struct FoundAlbum {
    id: Id<Album>,
    title: String,
    artist: Option<String>,
}

#[get("/search/", name = "search")]
pub async fn search(req: &Request, search: Query<Search>) -> Result<Response> {
    let q: String = search.q.trim().chars().take(MAX_SEARCH).collect();
    if q.is_empty() || q.contains('\0') {
        return render(req, "chinook/search.html", context! { q: "" });
    }
    let artists =
        Artist::objects().filter(Artist::NAME.icontains(q.as_str())).order_by([Artist::NAME.asc(), Artist::ID.asc()]);
    let artists = artists.limit(FOUND).values((Artist::ID, Artist::NAME)).all().await?;
    let artists: Vec<Found<Artist>> = artists.into_iter().map(|(id, name)| Found { id, name }).collect();
    let albums =
        Album::objects().filter(Album::TITLE.icontains(q.as_str())).order_by([Album::TITLE.asc(), Album::ID.asc()]);
    let albums = albums.limit(FOUND).values((Album::ID, Album::TITLE, Album::ARTIST.name())).all().await?;
    let albums: Vec<FoundAlbum> =
        albums.into_iter().map(|(id, title, artist)| FoundAlbum { id, title, artist }).collect();
    let tracks = lines(Track::objects().filter(Track::NAME.icontains(q.as_str())).limit(FOUND)).await?;
    let full = |found: usize| found as u64 >= FOUND;
    let most = (full(artists.len()) || full(albums.len()) || full(tracks.len())).then_some(FOUND);
    render(req, "chinook/search.html", context! { q, artists, albums, tracks, most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(
            [time(0), time(59_999), time(343_719), time(5_286_953), time(-1)],
            ["0:00", "0:59", "5:43", "1:28:06", "0:00"]
        );
    }

    #[test]
    fn pages_stay_within_the_list() {
        let page = |text: &str, total| Page { page: text.into() }.of(total);
        assert_eq!(
            [page("", 0), page("2", 61), page("99", 61), page("-1", 61), page("x", 60)],
            [(1, 1), (2, 2), (2, 2), (1, 2), (1, 1)]
        );
    }
}
