//! Files: compressed, in Parquet, in several shards, and larger than what is kept in memory.

use std::io::Write;
use std::sync::Arc;

use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

use super::*;

/// The rows and refused rows of a table in order, as a look at all of them gives them.
pub(super) fn all(table: &Table) -> (Vec<TableRow>, Vec<Refused>) {
    let (mut rows, mut refused) = (Vec::new(), Vec::new());
    table.each(&mut |row| {
        match row {
            Ok(row) => rows.push(row.clone()),
            Err((_, bad)) => refused.push(bad),
        }
        ControlFlow::Continue(())
    });
    table.failure().expect("the file is there");
    (rows, refused)
}

/// Whether a file with these bytes, of which hardly anything is kept in memory, is the same table.
pub(super) fn is_the_same_from_a_file(table: &Table, bytes: &[u8]) {
    let file = tempfile::NamedTempFile::new().expect("there is room");
    std::fs::write(&file, bytes).expect("there is room");
    // A file that begins like another kind is refused before it is looked into.
    let Ok(large) = Table::read_keeping(file.path(), 0) else { return };
    let counts =
        |table: &Table| (table.format, table.row_count, table.refused_count, table.blank, table.columns.clone());
    assert_eq!(counts(&large), counts(table));
    assert_eq!((&large.refused, &large.as_text), (&table.refused, &table.as_text));
    assert!(large.row_count == 0 || large.source.is_some());
    let (rows, refused) = all(&large);
    assert_eq!(rows, all(table).0);
    assert_eq!(refused, table.refused);
    assert_eq!(large.describe(), table.describe());
}

pub(super) fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("there is room");
    (folder, path)
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes all")
}

pub(super) fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(bytes, 3).expect("memory takes all")
}

const LINES: &str = "{\"prompt\": \"p\", \"chosen\": \"c\"}\n\nbroken\n{\"prompt\": \"q\", \"chosen\": \"d\"}\n";

#[test]
fn compressed_files_are_read_as_what_is_inside() {
    let plain = table(LINES);
    // Several members one after the other, as `cat a.gz b.gz` makes them, are one file.
    let (first, second) = LINES.split_at(20);
    let kinds =
        [gzip(LINES.as_bytes()), zstd(LINES.as_bytes()), [gzip(first.as_bytes()), gzip(second.as_bytes())].concat()];
    for bytes in kinds {
        for most in [0, usize::MAX] {
            let (_folder, path) = written("x.jsonl.gz", &bytes);
            let read = Table::read_keeping(&path, most).unwrap();
            assert_eq!(all(&read).0, all(&plain).0);
            assert_eq!((read.blank, &read.refused), (plain.blank, &plain.refused));
        }
    }
}

#[test]
fn what_is_inside_of_a_compressed_file_is_looked_at() {
    let error = |bytes: &[u8]| {
        let (_folder, path) = written("x.gz", bytes);
        Table::read(&path).unwrap_err().to_string()
    };
    assert!(error(&gzip(&gzip(b"{}"))).contains("compressed by gzip twice"));
    assert!(error(&gzip(b"PAR1")).contains("Parquet file that was compressed once more"));
    let whole = gzip(LINES.repeat(500).as_bytes());
    assert!(error(&whole[..whole.len() / 2]).contains("damaged or breaks off"), "{}", error(&whole[..whole.len() / 2]));
    assert!(error(&zstd(LINES.as_bytes())[..20]).contains("damaged or breaks off"));
    assert!(error(&gzip(b"{\0\"\0")).contains("UTF-16"));
}

/// 3 GiB of nothing in 3 MB: refused by the stated limit, in little memory.
#[test]
fn a_bomb_is_refused() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let spaces = vec![b' '; 1 << 20];
    encoder.write_all(b"{\"prompt\": \"p\"}\n").unwrap();
    for _ in 0..1100 {
        encoder.write_all(&spaces).unwrap();
    }
    let (_folder, path) = written("x.jsonl.gz", &encoder.finish().unwrap());
    let error = Table::read(&path).unwrap_err().to_string();
    assert!(error.contains("200 times its size"), "{error}");
}

/// A prompt, turns by role and text, and a score.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

/// A Parquet file as the hub converts data sets to: texts, messages as a list of structs, a score.
fn parquet(rows: &[Row]) -> Vec<u8> {
    let schema = "message rows {
        OPTIONAL BYTE_ARRAY prompt (UTF8);
        OPTIONAL GROUP chosen (LIST) { REPEATED GROUP list { OPTIONAL GROUP element {
            OPTIONAL BYTE_ARRAY content (UTF8); OPTIONAL BYTE_ARRAY role (UTF8); } } }
        OPTIONAL DOUBLE score;
    }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = WriterProperties::builder().set_compression(::parquet::basic::Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let texts = |texts: &[&str]| texts.iter().map(|text| ByteArray::from(*text)).collect::<Vec<_>>();
    let mut column = group.next_column().unwrap().unwrap();
    let prompts: Vec<&str> = rows.iter().map(|row| row.0).filter(|text| !text.is_empty()).collect();
    let filled: Vec<i16> = rows.iter().map(|row| i16::from(!row.0.is_empty())).collect();
    column.typed::<ByteArrayType>().write_batch(&texts(&prompts), Some(&filled), None).unwrap();
    column.close().unwrap();
    for is_role in [false, true] {
        let mut column = group.next_column().unwrap().unwrap();
        let (mut values, mut filled, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
        for (_, messages, _) in rows {
            if messages.is_empty() {
                filled.push(1);
                repeated.push(0);
            }
            for (at, (role, content)) in messages.iter().enumerate() {
                values.push(if is_role { *role } else { *content });
                filled.push(4);
                repeated.push(i16::from(at > 0));
            }
        }
        column.typed::<ByteArrayType>().write_batch(&texts(&values), Some(&filled), Some(&repeated)).unwrap();
        column.close().unwrap();
    }
    let mut column = group.next_column().unwrap().unwrap();
    let scores: Vec<f64> = rows.iter().map(|row| row.2).collect();
    column.typed::<DoubleType>().write_batch(&scores, Some(&vec![1; rows.len()]), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn parquet_is_read_row_by_row() {
    let said: &[(&str, &str)] = &[("user", "q"), ("assistant", "Ähre\n\"2\"")];
    let bytes = parquet(&[("p", said, 0.1), ("", &[], f64::NAN), ("r", &[("assistant", "")], -2.0)]);
    for most in [0, usize::MAX] {
        let (_folder, path) = written("0000.parquet", &bytes);
        let table = Table::read_keeping(&path, most).unwrap();
        assert_eq!((table.format, table.row_count), (Format::Parquet, 3));
        assert_eq!(table.columns, ["prompt", "chosen", "score"]);
        let rows = all(&table).0;
        assert_eq!(rows.iter().map(|row| row.place.line).collect::<Vec<_>>(), [1, 2, 3]);
        let messages = json!([{"content": "q", "role": "user"}, {"content": "Ähre\n\"2\"", "role": "assistant"}]);
        assert_eq!(rows[0].values, *json!({"prompt": "p", "chosen": messages, "score": 0.1}).as_object().unwrap());
        assert_eq!((rows[1].get("prompt"), rows[1].get("score")), (None, None));
    }
}

#[test]
fn a_damaged_parquet_file_is_refused_in_words() {
    let said: &[(&str, &str)] = &[("user", "q"), ("assistant", "a")];
    let bytes = parquet(&[("p", said, 0.1), ("q", said, 1.0)]);
    let (_folder, path) = written("x.parquet", &bytes[..bytes.len() / 2]);
    let error = Table::read(&path).unwrap_err().to_string();
    assert!(error.contains("Parquet file cannot be read"), "{error}");
}

#[test]
fn a_file_that_changes_meanwhile_is_not_taken_for_what_it_was() {
    let (_folder, path) = written("x.jsonl", LINES.as_bytes());
    let table = Table::read_keeping(&path, 0).unwrap();
    std::fs::write(&path, LINES.repeat(2)).unwrap();
    table.each_row(|_| ControlFlow::Continue(()));
    assert!(table.failure().unwrap_err().to_string().contains("changed while it was read"));
}

#[test]
fn what_stands_beside_the_rows_of_an_object_is_named() {
    let pair = r#"{"prompt": "p", "chosen": "c", "rejected": "r"}"#;
    let beside = format!(r#"{{"system": "S", "data": [{pair}], "rejected_rows": [{pair}]}}"#);
    let (_folder, path) = written("beside.json", beside.as_bytes());
    let table = Table::read(&path).expect("it can be read");
    assert_eq!((table.row_count, table.refused_count), (1, 0));
    let said = table.notices.join(" ");
    assert!(said.contains("Beside the rows under `data` the file holds `system`, `rejected_rows`"), "{said}");
}

/// Such a table was one row of nonsense: its first rows were a prompt and two answers.
#[test]
fn a_table_in_another_wrapping_is_refused() {
    let pair = r#"{"prompt": "p", "chosen": "c", "rejected": "r"}"#;
    let rows = format!("[{pair}, {pair}, {pair}]");
    for text in [
        format!(r#"{{"result": {{"data": {rows}}}}}"#),
        format!("{{\"data\": {rows}}}\n{{\"data\": {rows}}}\n"),
        format!("{{\"data\": {rows}}}\nand more\n"),
        format!(r#"{{"data": [{pair}, 1, {pair}]}}"#),
        r#"{"data": [["p", "c", "r"], ["p", "c", "r"]]}"#.to_owned(),
    ] {
        let (_folder, path) = written("wrapped.json", text.as_bytes());
        let table = Table::read(&path).expect("it can be read");
        assert_eq!(table.row_count, 0, "{text}");
        assert!(table.refused[0].reason.contains("table of its own"), "{text}: {:?}", table.refused);
    }
    // Rows that have a list of objects beside their texts are rows.
    let row =
        format!(r#"{{"prompt": "a question that is long enough", "answer": "and its answer", "items": [{pair}]}}"#);
    let table = Table::from_bytes(format!("{row}\n{row}\n").as_bytes()).expect("bytes are always read");
    assert_eq!((table.row_count, table.refused_count), (2, 0));
}

#[test]
fn shards_are_one_table_and_bad_rows_name_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("train-00000-of-00002.jsonl.gz", &gzip(LINES.as_bytes()));
    write("train-00001-of-00002.jsonl", b"{\"prompt\": \"r\", \"rejected\": \"d\"}\n");
    write("README.md", b"About.");
    for most in [0, usize::MAX] {
        let table = Table::read_keeping(folder.path(), most).unwrap();
        assert_eq!((table.row_count, table.files.len()), (3, 2));
        assert_eq!(table.columns, ["prompt", "chosen", "rejected"]);
        let places: Vec<(usize, usize)> = all(&table).0.iter().map(|row| (row.file, row.place.line)).collect();
        assert_eq!(places, [(0, 1), (0, 4), (1, 1)]);
        assert!(table.refused[0].reason.starts_with("in `train-00000-of-00002.jsonl.gz`: "), "{:?}", table.refused);
        assert!(table.notices[0].contains("`README.md`"));
    }
}

proptest::proptest! {
    /// Whatever the bytes of a Parquet file become, it is read, refused by row or refused whole, without a panic.
    #[test]
    fn damaged_parquet_never_panics(changes in proptest::collection::vec((0_usize..2000, proptest::prelude::any::<u8>()), 1..4)) {
        let said: &[(&str, &str)] = &[("user", "q"), ("assistant", "a")];
        let mut bytes = parquet(&[("p", said, 0.1), ("q", said, 1.0)]);
        for (at, byte) in changes {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        let (_folder, path) = written("x.parquet", &bytes);
        if let Ok(table) = Table::read(&path) {
            proptest::prop_assert!(table.row_count <= 2);
        }
    }
}

#[test]
fn a_mark_that_is_never_closed_says_how_many_lines_it_takes_with_it() {
    let table = table("prompt,chosen\na,b\nc,\"d\ne,f\ng,h\ni,j\n");
    assert!(table.refused[0].reason.contains("3 lines after this one"), "{:?}", table.refused);
    // In a file that is larger than what a record may take, nothing behind it is taken for a row.
    let rows = "x,yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n".repeat(900_000);
    let (_folder, path) = written("x.csv", ["prompt,chosen\na,b\nc,\"d\n", &rows].concat().as_bytes());
    let table = Table::read(&path).unwrap();
    assert_eq!((table.row_count, table.refused_count), (1, 1));
    assert!(table.refused[0].reason.contains("900000 lines after this one"), "{:?}", table.refused);
}

#[cfg(unix)]
#[test]
fn what_is_no_file_and_what_is_empty() {
    let error = Table::read(Path::new("/dev/null")).unwrap_err().to_string();
    assert!(error.contains("no regular file"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jsonl"), LINES).unwrap();
    std::fs::write(folder.path().join("b.jsonl"), "\n").unwrap();
    let table = Table::read(folder.path()).unwrap();
    assert_eq!((table.format, table.row_count), (Format::JsonLines, 2));
    assert_eq!(table.columns, ["prompt", "chosen"]);
}

#[test]
fn what_a_tree_leaves_out_is_counted() {
    let reply = |role: &str, deleted: bool, replies: Value| json!({"text": "t", "role": role, "rank": 0, "deleted": deleted, "replies": replies});
    let under = json!([reply("prompter", false, json!([]))]);
    let tree = json!({"prompt": {"text": "q", "role": "prompter", "replies": [
        reply("assistant", false, json!([])), reply("assistant", false, json!([])), reply("assistant", true, under),
        reply("prompter", false, json!([])), "no object",
    ]}});
    let gone = json!({"prompt": {"text": "q", "role": "prompter", "deleted": true, "replies": null}});
    let bare = json!({"prompt": {"text": "q", "role": "prompter", "replies": null}});
    let table = table(&[tree, gone, bare].map(|row| row.to_string()).join("\n"));
    assert_eq!(table.row_count, 1);
    let said = &table.notices[0];
    for part in
        ["3 trees", "1 of their questions", "1 without any", "3 messages that are deleted", "2 replies that are no"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// A download that broke off is no shard without rows.
#[test]
fn shards_in_which_nothing_is_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let row = "{\"prompt\": \"p\", \"chosen\": \"c\", \"rejected\": \"r\"}\n";
    std::fs::write(folder.path().join("a.jsonl"), row).unwrap();
    std::fs::write(folder.path().join("b.jsonl"), "\n\n").unwrap();
    std::fs::write(folder.path().join("c.jsonl"), "").unwrap();
    let table = Table::read(folder.path()).unwrap();
    assert_eq!(table.row_count, 1);
    assert!(table.notices.join(" ").contains("Of 3 files `b.jsonl`, `c.jsonl` hold no rows."), "{:?}", table.notices);
    for name in ["d.jsonl.gz", "d.jsonl.zst", "d.parquet"] {
        let path = folder.path().join(name);
        std::fs::write(&path, "").unwrap();
        let said = Table::read(&path).unwrap_err().to_string();
        assert!(said.contains("the file has no bytes") && said.contains(name), "{said}");
        std::fs::remove_file(path).unwrap();
    }
}
