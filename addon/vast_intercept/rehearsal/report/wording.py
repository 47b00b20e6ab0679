"""What reports call what is measured, in words for people."""

from ..comparison.measures import Measure

#: The page says the same, in `page/report.js`.
MEASURES = {
    Measure.SERVED: "Served",
    Measure.JSON: "Valid JSON",
    Measure.SCHEMA: "Valid against the schema",
    Measure.TOOLS: "Same tools",
    Measure.ARGUMENTS: "Valid arguments",
    Measure.SAME_ARGUMENTS: "Same arguments",
    Measure.FINISH_REASON: "Finish reason",
    Measure.LENGTH: "Length",
    Measure.REFUSAL: "No refusal",
    Measure.LANGUAGE: "Language",
    Measure.NOT_EMPTY: "Not empty",
    Measure.EXACT: "Exact match",
    Measure.FORM: "Form",
}
