//! MT-Bench's files: verdicts between two models, by people and by a judge that was asked in both orders. A verdict is about one
//! turn: of two conversations what comes after it is left out, because nobody judged it.

use serde_json::{Map, Value, json};

use super::is_conversation;

/// What the files held.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Conversations of two models that a judge was asked about in both orders.
    in_both_orders: usize,
    /// Of these those in which the two verdicts do not agree.
    disagreeing: usize,
    /// Verdicts about a turn after which the conversations go on.
    cut: usize,
    /// Verdicts about a later turn, before which the two conversations are not the same.
    parted: usize,
}

impl Counts {
    /// What is to be said of them.
    pub(super) fn sentence(&self) -> Option<String> {
        let Self { in_both_orders, disagreeing, cut, parted } = self;
        let mut said = Vec::new();
        if *in_both_orders > 0 {
            said.push(format!(
                "{in_both_orders} rows are verdicts of a judge that was asked in both orders: question and answers are taken out \
                 of what it was asked, and where its two verdicts do not agree ({disagreeing} rows), neither answer is better."
            ));
        }
        if *cut > 0 {
            said.push(format!(
                "{cut} rows judge a turn after which the conversations go on: what comes after it is left out."
            ));
        }
        if *parted > 0 {
            said.push(format!(
                "{parted} rows judge a later turn of conversations that differ before it: the prompt is what both begin with, and \
                 an answer is all that follows, the user's further questions with it."
            ));
        }
        (!said.is_empty()).then(|| said.join(" "))
    }
}

/// Brings a row into the form of two conversations with a winner, if it is one of these.
///
/// # Errors
/// When it is one and cannot be read.
pub(super) fn open(mut row: Map<String, Value>, counts: &mut Counts) -> Result<Map<String, Value>, String> {
    lone_answer(&row)?;
    if ["model_1", "model_2", "g1_winner", "g2_winner", "g1_user_prompt"].iter().all(|key| row.contains_key(*key)) {
        row = in_both_orders(&row, counts)?;
    }
    let names = if row.contains_key("conversation_1") {
        ["conversation_1", "conversation_2"]
    } else {
        ["conversation_a", "conversation_b"]
    };
    let are_two = names.iter().all(|name| row.get(*name).is_some_and(is_conversation));
    if let (true, true, Some(turn)) = (are_two, row.contains_key("winner"), row.get("turn")) {
        // `pandas` writes whole numbers as `1.0` where some are missing.
        let number = turn.as_f64().or_else(|| turn.as_str()?.trim().parse().ok());
        let number = number.filter(|number| *number >= 1.0 && number.fract() == 0.0 && *number < 1e6);
        let number =
            number.ok_or_else(|| format!("`turn` says {turn}: which of the answers was judged is not known"))?;
        up_to(&mut row, names, number as usize, counts)?;
    }
    Ok(row)
}

/// Refuses what holds one answer without its question, or with its question inside of what a judge was asked.
fn lone_answer(row: &Map<String, Value>) -> Result<(), String> {
    let has = |keys: &[&str]| keys.iter().all(|key| row.contains_key(*key));
    let where_pairs_are =
        "the verdicts between two models (`…_pair.jsonl`) have question, both answers and who won: import these";
    if has(&["question_id", "answer_id", "model_id", "choices"]) {
        return Err(format!(
            "it is one model's answer to a question of MT-Bench that is not in this file; {where_pairs_are}"
        ));
    }
    if has(&["question_id", "model", "judge", "user_prompt", "judgment", "score"]) {
        return Err(format!(
            "it is a judge's score of one answer, inside of what the judge was asked; {where_pairs_are}"
        ));
    }
    Ok(())
}

/// Takes the two conversations out of what the judge was asked, the first model's being `A`.
fn in_both_orders(row: &Map<String, Value>, counts: &mut Counts) -> Result<Map<String, Value>, String> {
    let text = |key: &str| row.get(key).and_then(Value::as_str).ok_or_else(|| format!("`{key}`: expected text"));
    let asked = text("g1_user_prompt")?;
    let [one, other] = conversations(asked).ok_or(
        "`g1_user_prompt` is not what FastChat's judge prompts make of a question and two answers, or an answer holds such a \
         prompt itself",
    )?;
    let winner = match (text("g1_winner")?, text("g2_winner")?) {
        ("error", _) | (_, "error") => return Err("the judge gave no verdict (`error`)".to_owned()),
        ("model_1", "model_1") => "conversation_1",
        ("model_2", "model_2") => "conversation_2",
        (first, second) if [first, second].iter().any(|said| !["model_1", "model_2", "tie"].contains(said)) => {
            return Err(format!(
                "`g1_winner` and `g2_winner` say {first:?} and {second:?}: expected model_1, model_2 or tie"
            ));
        }
        (first, second) => {
            counts.disagreeing += usize::from(first != second);
            "tie"
        }
    };
    counts.in_both_orders += 1;
    let is_consumed = |key: &str| ["g1_user_prompt", "g2_user_prompt", "g1_winner", "g2_winner"].contains(&key);
    let mut opened = Map::from_iter([
        ("conversation_1".to_owned(), one),
        ("conversation_2".to_owned(), other),
        ("winner".to_owned(), winner.into()),
    ]);
    for (key, value) in row.iter().filter(|(key, _)| !is_consumed(key)) {
        opened.entry(key.clone()).or_insert_with(|| value.clone());
    }
    Ok(opened)
}

fn conversations(asked: &str) -> Option<[Value; 2]> {
    if let Some(asked) = asked.strip_prefix("[User Question]\n") {
        let (question, rest) = once(asked, "\n\n[The Start of Assistant A's Answer]\n")?;
        // A judge of mathematics was given the right answer as well.
        let question = match question.split_once("\n\n[The Start of Reference Answer]\n") {
            Some((question, reference)) => once(reference, "\n[The End of Reference Answer]").and(Some(question))?,
            None => question,
        };
        let (one, other) = once(rest, "\n[The End of Assistant A's Answer]\n\n[The Start of Assistant B's Answer]\n")?;
        let other = other.strip_suffix("\n[The End of Assistant B's Answer]")?;
        let said =
            |answer: &str| json!([{"role": "user", "content": question}, {"role": "assistant", "content": answer}]);
        return (!other.contains("\n[The End of Assistant B's Answer]")).then(|| [said(one), said(other)]);
    }
    let of = |name: &str| {
        let (_, rest) = once(asked, &format!("<|The Start of Assistant {name}'s Conversation with User|>\n\n"))?;
        let (said, _) = once(rest, &format!("\n\n<|The End of Assistant {name}'s Conversation with User|>"))?;
        let (first, second) = once(said.strip_prefix("### User:\n")?, "\n\n### User:\n")?;
        let turn = |turn: &str| {
            let (question, answer) = once(turn, &format!("\n\n### Assistant {name}:\n"))?;
            Some([json!({"role": "user", "content": question}), json!({"role": "assistant", "content": answer})])
        };
        Some(Value::from([turn(first)?, turn(second)?].concat()))
    };
    Some([of("A")?, of("B")?])
}

/// What stands before and after a mark that comes once.
fn once<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    text.split_once(mark).filter(|(_, rest)| !rest.contains(mark))
}

/// Leaves of both conversations what was judged: up to the answer to the `turn`-th question.
fn up_to(row: &mut Map<String, Value>, names: [&str; 2], turn: usize, counts: &mut Counts) -> Result<(), String> {
    let is_asked = |message: &Value| {
        ["user", "human"].iter().any(|role| message.get("role").or(message.get("from")).is_some_and(|it| it == role))
    };
    let (mut was_cut, mut said) = (false, Vec::new());
    for name in names {
        let Some(Value::Array(messages)) = row.get_mut(name) else { continue };
        let asked: Vec<usize> = (0..messages.len()).filter(|at| is_asked(&messages[*at])).collect();
        if turn == 0 || asked.len() < turn {
            return Err(format!("`turn` says {turn}, and `{name}` has {} of the user's", asked.len()));
        }
        if let Some(next) = asked.get(turn) {
            messages.truncate(*next);
            was_cut = true;
        }
        said.push(messages[..asked[turn - 1]].to_vec());
    }
    counts.cut += usize::from(was_cut);
    counts.parted += usize::from(said.windows(2).any(|two| two[0] != two[1]));
    Ok(())
}
