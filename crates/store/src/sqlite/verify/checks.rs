//! What must hold between the rows of the database: one statement each, which finds what does not.

use data_encoding::HEXLOWER;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::Verified;

/// Finds rows that must not be, and says what each means.
struct Check {
    name: &'static str,
    sql: &'static str,
    tell: fn(&SqliteRow) -> Result<String, sqlx::Error>,
}

const CHECKS: &[Check] = &[
    Check {
        name: "messages",
        sql: "SELECT d.id FROM delivery d LEFT JOIN message m ON m.id = d.message_id \
            WHERE m.id IS NULL",
        tell: |row| Ok(format!("delivery {} has no message", id(row, 0)?)),
    },
    Check {
        name: "events",
        sql: "SELECT e.delivery_id, COUNT(*) FROM event e LEFT JOIN delivery d \
            ON d.id = e.delivery_id LEFT JOIN slim_delivery l ON l.id = e.delivery_id \
            WHERE e.delivery_id IS NOT NULL AND d.id IS NULL AND l.id IS NULL \
            GROUP BY e.delivery_id",
        tell: |row| {
            let count: i64 = row.try_get(1)?;
            Ok(format!(
                "{count} events are of delivery {}, which is not there",
                id(row, 0)?
            ))
        },
    },
    Check {
        // Numbers are unique, so that count and ends tell of every gap.
        name: "sequences",
        sql: "SELECT d.id, d.sequence, COUNT(e.sequence) AS n FROM delivery d \
            LEFT JOIN event e ON e.delivery_id = d.id GROUP BY d.id \
            HAVING n <> d.sequence OR MIN(e.sequence) IS NOT 1 \
            OR MAX(e.sequence) IS NOT d.sequence",
        tell: |row| {
            let (last, count): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
            Ok(format!(
                "delivery {} should have events 1 to {last} and has {count}",
                id(row, 0)?
            ))
        },
    },
    Check {
        // Its first events are gone, and those that came since have no gap.
        name: "sequences",
        sql: "SELECT l.id, l.sequence, COUNT(*) AS n FROM slim_delivery l \
            JOIN event e ON e.delivery_id = l.id GROUP BY l.id \
            HAVING MAX(e.sequence) IS NOT l.sequence \
            OR MAX(e.sequence) - MIN(e.sequence) + 1 <> n OR l.told_at IS NULL",
        tell: |row| {
            let (last, count): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
            Ok(format!(
                "what is left of delivery {} should have its last event at {last} and has {count} \
                 others",
                id(row, 0)?
            ))
        },
    },
    Check {
        name: "deliveries",
        sql: "SELECT l.id FROM slim_delivery l JOIN delivery d ON d.id = l.id",
        tell: |row| Ok(format!("delivery {} is kept twice", id(row, 0)?)),
    },
    Check {
        name: "visits",
        sql: "SELECT t.delivery_id FROM visit t LEFT JOIN delivery d ON d.id = t.delivery_id \
            WHERE d.id IS NULL OR t.opens + t.clicks > (SELECT COUNT(*) FROM event e \
            WHERE e.delivery_id = t.delivery_id AND e.kind IN ('Open', 'Click'))",
        tell: |row| {
            let id = id(row, 0)?;
            Ok(format!(
                "more visits of delivery {id} are counted than told"
            ))
        },
    },
    Check {
        name: "forwards",
        sql: "SELECT f.inbound_id FROM forward_due f LEFT JOIN inbound i ON i.id = f.inbound_id \
            WHERE i.body_segment IS NOT f.segment",
        tell: |row| {
            let id = id(row, 0)?;
            Ok(format!("message {id} is to be forwarded and is not there"))
        },
    },
    Check {
        name: "suppressions",
        sql: "SELECT s.workspace_id, COUNT(*) FROM suppression s \
            LEFT JOIN workspace w ON w.id = s.workspace_id WHERE w.id IS NULL \
            GROUP BY s.workspace_id",
        tell: |row| {
            let (workspace, count): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            Ok(format!(
                "{count} entries of the suppression list are of workspace {workspace}, which was \
                 never there"
            ))
        },
    },
    Check {
        name: "lanes",
        sql: "SELECT d.workspace_id, d.domain, COUNT(*), l.next_at IS NULL FROM delivery d \
            LEFT JOIN lane l ON l.workspace_id = d.workspace_id AND l.domain = d.domain \
            WHERE d.state = 'queued' GROUP BY d.workspace_id, d.domain \
            HAVING l.next_at IS NULL OR l.next_at > MIN(d.next_at)",
        tell: |row| {
            let (workspace, domain): (i64, &str) = (row.try_get(0)?, row.try_get(1)?);
            let (count, none): (i64, bool) = (row.try_get(2)?, row.try_get(3)?);
            let what = if none {
                "no lane"
            } else {
                "a lane that sleeps too long"
            };
            Ok(format!(
                "{count} deliveries of workspace {workspace} to {domain} have {what}"
            ))
        },
    },
    Check {
        name: "cursors",
        sql: "SELECT destination_id, position, (SELECT COALESCE(MAX(position), 0) FROM event) AS n \
            FROM cursor WHERE position > n",
        tell: |row| {
            let (position, newest): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
            Ok(format!(
                "destination {} is at event {position}, and the newest is {newest}",
                id(row, 0)?
            ))
        },
    },
    Check {
        // A file goes when its count is zero: too soon where fewer are counted than need it.
        name: "segments",
        sql: "SELECT n.id, SUM(n.bodies), s.live FROM (\
            SELECT m.body_segment AS id, COUNT(*) AS bodies FROM delivery d \
            JOIN message m ON m.id = d.message_id \
            WHERE d.state IN ('queued', 'held', 'scheduled') GROUP BY m.body_segment \
            UNION ALL SELECT segment, COUNT(*) FROM report_due GROUP BY segment \
            UNION ALL SELECT segment, COUNT(*) FROM forward_due GROUP BY segment \
            UNION ALL SELECT id, 1 FROM segment WHERE kept_at IS NOT NULL \
            UNION ALL SELECT id, 0 FROM segment) n \
            LEFT JOIN segment s ON s.id = n.id GROUP BY n.id HAVING SUM(n.bodies) IS NOT s.live",
        tell: |row| {
            let (segment, needed): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            let counted = row.try_get::<Option<i64>, _>(2)?;
            Ok(format!(
                "the file of bodies {segment} is needed {needed} times and counted {}",
                counted.map_or_else(|| "not at all".to_owned(), |count| count.to_string())
            ))
        },
    },
];

/// Adds what does not hold, and how much there is.
pub(super) async fn run(
    connection: &mut SqliteConnection,
    verified: &mut Verified,
) -> Result<(), sqlx::Error> {
    for check in CHECKS {
        let rows = sqlx::query(check.sql).fetch_all(&mut *connection).await?;
        let found = rows.iter().map(check.tell).collect::<Result<_, _>>()?;
        verified.all_wrong(check.name, found);
    }
    let sql = "SELECT (SELECT COUNT(*) FROM delivery), (SELECT COUNT(*) FROM event)";
    let (deliveries, events): (i64, i64) = sqlx::query_as(sql).fetch_one(connection).await?;
    verified.deliveries = deliveries.unsigned_abs();
    verified.events = events.unsigned_abs();
    Ok(())
}

/// An id, however damaged.
fn id(row: &SqliteRow, at: usize) -> Result<String, sqlx::Error> {
    let octets: &[u8] = row.try_get(at)?;
    Ok(HEXLOWER.encode(octets))
}
