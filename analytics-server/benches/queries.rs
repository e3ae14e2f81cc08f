//! What a dashboard asks over 2,500,000 views of a day, through the real program's HTTP, on as many cores as there are.
//!
//! ```sh
//! cargo bench -p analytics-server --bench queries
//! ```

mod support;

use std::path::Path;
use std::time::Instant;

use duckdb::{Connection as Store, params};
use support::{Connection, figure, quantile, start_anywhere};

const VIEWS: i64 = 2_500_000;
const DAY_MS: i64 = 86_400_000;
/// How often each question is asked, after once for warming up.
const TIMES: usize = 12;

/// The dashboard's questions: totals, trends, cohorts, comparisons.
const QUESTIONS: [&str; 16] = [
    "overview?",
    "overview?bucket=1h&",
    "query?metric=attempts,plays,startup_ms_p50,startup_ms_p95,ebvs,failure_pct&",
    "query?metric=rebuffer_ratio,avg_bitrate,cirr&bucket=15m&",
    "query?metric=rebuffer_ratio,played_ms&by=cdn_host&",
    "query?metric=rebuffer_ratio,avg_bitrate&by=country,device&order=-rebuffer_ratio&limit=20&",
    "query?metric=startup_ms_p95,attempts&by=video_id&order=-attempts&limit=50&",
    "query?metric=failure_pct,attempts&by=browser,os&",
    "query?metric=failure_pct,attempts&by=cdn_host,device,browser&order=-failure_pct&limit=50&",
    "query?metric=rebuffer_ratio,startup_ms_p95,failure_pct&filter=device:eq:tv&filter=country:in:DE,AT&",
    "query?metric=avg_bitrate,upscale,downscale&by=experiment,arm&filter=experiment:exists&",
    "query?metric=startup_ms_p50&by=dim.plan&",
    "query?metric=attempts,ebvs&bucket=1h&by=device&",
    "query?metric=rebuffered_views,rebuffer_freq&filter=browser:ne:Safari&bucket=1h&",
    "cohorts?metric=rebuffer_ratio&by=cdn_host,country,device,network,os,browser&",
    "cohorts?metric=failure_pct&by=cdn_host,country,device,network,os,browser&",
];

fn main() {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    // The tables are the program's own.
    start_anywhere(dir.path()).stop();
    let now_ms = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as i64);
    let to_ms = now_ms - now_ms % DAY_MS;
    fill(&dir.path().join("store.duckdb"), to_ms - DAY_MS);

    let program = start_anywhere(dir.path());
    let mut connection = Connection::open(program.admin).expect("the server accepts connections");
    let mut all = Vec::new();
    for question in QUESTIONS {
        let path = format!("/v1/{question}from={}&to={to_ms}", to_ms - DAY_MS);
        let mut times = Vec::new();
        for _ in 0..=TIMES {
            let began = Instant::now();
            let (status, body) = connection.exchange("GET", &path, b"").expect("it answers");
            assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        times.remove(0);
        println!("{:7.1} ms  {question}", quantile(&mut times, 0.5));
        all.extend(times);
    }
    for (share, name) in [(0.5, "p50"), (0.95, "p95")] {
        let name = format!("dashboard query over 2,500,000 views {name}");
        figure(&name, "ms", quantile(&mut all, share));
    }
}

/// Views of a day, and what they reported, by arithmetic instead of players.
fn fill(path: &Path, from_ms: i64) {
    let store = Store::open(path).expect("the store opens");
    let set = |table: &str, own: &[(&str, &str)]| -> String {
        let mut statement = store
            .prepare("SELECT column_name, data_type, is_nullable FROM information_schema.columns WHERE table_name = ? ORDER BY ordinal_position")
            .expect("the table is there");
        let columns = statement
            .query_map(params![table], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, String>(2)?,
                ))
            })
            .expect("the table is there");
        let values: Vec<String> = columns
            .map(|column| {
                let (name, kind, nullable) = column.expect("a column has a name");
                let value = own.iter().find(|(own, _)| *own == name).map(|(_, sql)| *sql);
                value
                    .unwrap_or(match (kind.as_str(), nullable.as_str()) {
                        (_, "YES") => "NULL",
                        ("VARCHAR", _) => "''",
                        ("BOOLEAN", _) => "false",
                        _ => "0",
                    })
                    .to_owned()
            })
            .collect();
        values.join(", ")
    };
    // Multiplied by odd numbers, so that columns do not go together.
    let views = set(
        "views",
        &[
            ("site", "'bench'"),
            (
                "view_id",
                "printf('0199%04x-%04x-7000-8000-%012x', i >> 16, i & 65535, (i * 2654435761) % 281474976710655)",
            ),
            ("start_ms", &format!("{from_ms} + i * {DAY_MS} // {VIEWS}")),
            (
                "last_beat_ms",
                &format!("{from_ms} + i * {DAY_MS} // {VIEWS} + 400000"),
            ),
            ("seen", "'0-40'"),
            ("state", "'ended'"),
            ("view_end", "true"),
            ("weight", "1"),
            ("stream_type", "CASE WHEN i % 7 = 0 THEN 'live' ELSE 'vod' END"),
            ("protocol", "CASE WHEN i % 3 = 0 THEN 'dash' ELSE 'hls' END"),
            ("video_id", "'video-' || (i * 48271 % 3001)"),
            ("player", "'headgate/0.1.0'"),
            ("abr", "'headgate'"),
            ("device", "['desktop','phone','tablet','tv'][1 + (i * 7919) % 4]"),
            (
                "browser",
                "['Chrome','Firefox','Safari','Edge','Opera'][1 + (i * 104729) % 5]",
            ),
            (
                "os",
                "['Windows','Android','iOS','webOS','macOS'][1 + (i * 1299709) % 5]",
            ),
            (
                "country",
                "['DE','AT','CH','FR','GB','US','JP','BR'][1 + (i * 15485863) % 8]",
            ),
            ("cdn_host", "'cdn' || (i * 32452843 % 6) || '.example'"),
            ("ladder", "'[]'"),
            ("experiment", "CASE WHEN i % 10 = 0 THEN 'abr-costs' ELSE '' END"),
            (
                "arm",
                "CASE WHEN i % 10 > 0 THEN '' WHEN i % 20 = 0 THEN 'a' ELSE 'b' END",
            ),
            (
                "dimensions",
                "chr(31) || 'plan' || chr(30) || ['gold','free'][1 + i % 2] || chr(31)",
            ),
            ("play_intent", "true"),
            (
                "startup_ms",
                "CASE WHEN i % 41 = 0 THEN NULL ELSE 200 + (i * 8191) % 3000 END",
            ),
            ("waited_ms", "200 + (i * 8191) % 3000"),
            ("played_ms", "300000 + (i * 127) % 90000"),
            (
                "rebuffer_ms",
                "CASE WHEN i % 5 = 0 THEN (i * 31) % 9000 ELSE 0 END",
            ),
            ("rebuffer_count", "CASE WHEN i % 5 = 0 THEN 1 + i % 3 ELSE 0 END"),
            ("media_ms", "300000 + (i * 127) % 90000"),
            (
                "bitrate_kbps_media_ms",
                "(300000 + (i * 127) % 90000) * (2000 + (i * 17) % 4000)",
            ),
            ("scaled_media_ms", "300000"),
            ("upscale_media_ms", "(i * 13) % 100000"),
            ("downscale_media_ms", "(i * 29) % 100000"),
            ("decoded_frames", "9000"),
            ("dropped_frames", "i % 60"),
            ("fatal", "CASE WHEN i % 97 = 0 THEN 'network' END"),
        ],
    );
    store
        .execute_batch(&format!(
            "INSERT INTO views SELECT {views} FROM range({VIEWS}) r(i)"
        ))
        .expect("views are written");
    // 8,640 stretches of ten seconds, 6 hosts, 8 countries, 4 devices: a day's worth.
    let rollups = set(
        "rollups",
        &[
            ("site", "'bench'"),
            ("at_ms", &format!("{from_ms} + (i // 192) * 10000")),
            ("stream_type", "'vod'"),
            ("cdn_host", "'cdn' || (i % 6) || '.example'"),
            (
                "country",
                "['DE','AT','CH','FR','GB','US','JP','BR'][1 + (i // 6) % 8]",
            ),
            ("device", "['desktop','phone','tablet','tv'][1 + (i // 48) % 4]"),
            ("played_ms", "400000 + (i * 127) % 90000"),
            ("rebuffer_ms", "(i * 31) % 9000"),
            ("media_ms", "400000 + (i * 127) % 90000"),
            ("bitrate_kbps_media_ms", "(400000 + (i * 127) % 90000) * 3000"),
        ],
    );
    store
        .execute_batch(&format!(
            "INSERT INTO rollups SELECT {rollups} FROM range(8640 * 192) r(i); CHECKPOINT"
        ))
        .expect("rollups are written");
}
