//! Finds numbers that were typed by hand. In the text of a section, its captions and its tables, numbers are taken from files,
//! because typed ones could be wrong or become outdated. Allowed are single digits (a class, the size of a convolution), whole
//! numbers of at most three digits in formulas (definitions), headings, and numbers in code.

use typst_syntax::{SyntaxKind, SyntaxNode, parse};

/// The line and the text of every number in a source that looks measured.
pub fn typed(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    walk(&parse(source), &mut 1, false, &mut found);
    found
}

/// Goes through `node`, whose first line is `line`.
fn walk(node: &SyntaxNode, line: &mut usize, formula: bool, found: &mut Vec<(usize, String)>) {
    let skipped =
        matches!(node.kind(), SyntaxKind::Heading | SyntaxKind::Raw | SyntaxKind::Ref | SyntaxKind::Label);
    if node.children().len() == 0 || skipped {
        let text = node.full_text();
        let read = match node.kind() {
            SyntaxKind::Text => true,
            SyntaxKind::MathText => formula,
            _ => false,
        };
        if read {
            let numbers = numbers(&text).filter(|number| !allowed(number, formula));
            found.extend(numbers.map(|number| (*line, number.to_owned())));
        }
        *line += text.matches('\n').count();
        return;
    }
    let formula = formula || node.kind() == SyntaxKind::Equation;
    // Content in brackets is text again, even within code.
    node.children()
        .for_each(|child| walk(child, line, formula && child.kind() != SyntaxKind::ContentBlock, found));
}

/// Runs of digits with the points and commas between them.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(|c: char| !c.is_ascii_digit() && c != '.' && c != ',');
    parts.map(|part| part.trim_matches(['.', ','])).filter(|part| !part.is_empty())
}

fn allowed(number: &str, formula: bool) -> bool {
    number.len() <= if formula { 3 } else { 1 } && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::typed;

    fn found(source: &str) -> Vec<String> {
        typed(source).into_iter().map(|(_, number)| number).collect()
    }

    #[test]
    fn measured_numbers_are_found_wherever_a_reader_sees_them() {
        assert_eq!(found("The loss is 0.02, of 10,000 images."), ["0.02", "10,000"]);
        assert_eq!(
            found("#figure(image(\"a.png\", width: 88%), caption: [Of 64 features.]) <fig12>"),
            ["64"]
        );
        assert_eq!(found("#table(columns: 3, [*a*], [12], [#n])"), ["12"]);
        assert_eq!(found("#let x = 100\n#fixed(x * 100, 12) and #emph[13]"), ["13"]);
        assert_eq!(found("At $t = 0.5$, $n = 10000$ and $x_13$."), ["0.5", "10000"]);
        assert_eq!(typed("One.\n\nTwo\nis 22."), [(4, "22".to_owned())]);
    }

    #[test]
    fn digits_definitions_and_code_are_allowed() {
        let fine = "= 10. A heading\nA 4 or 9, a 7x7 kernel, $28 times 28$ and $1 / sqrt(2)$, @ho2020, `run --nfe 100`.\n\
                    // 100 comments\n#set text(size: 12pt)\n#score(\"ink-20\", digits: 10)";
        assert_eq!(found(fine), Vec::<String>::new());
    }
}
