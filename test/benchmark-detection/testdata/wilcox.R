# Writes wilcox.json: results of R's wilcox.test, which Kayenta's Mann-Whitney test is a port of.
#
#     Rscript wilcox.R > wilcox.json
#
# The samples are percentages of failed requests by minute, as Kayenta gets them, and others that are hard: ties, few values, no
# overlap. `estimate` is R's, which leaves out the continuity correction; Kayenta's keeps it.
set.seed(20260131)

rates <- function(minutes, requests, rate) 100 * rbinom(minutes, requests, rate) / requests

samples <- list(
  list(name = "normal, shifted", x = rnorm(60, 12, 2), y = rnorm(60, 10, 2)),
  list(name = "normal, alike", x = rnorm(30, 10, 2), y = rnorm(30, 10, 2)),
  list(name = "normal, of unequal size", x = rnorm(12, 11, 1), y = rnorm(55, 10, 3)),
  list(name = "few values", x = c(3.1, 4.2, 5.3), y = c(1.4, 2.5, 2.6, 2.7)),
  list(name = "many ties", x = round(rexp(80, 0.4) * 2) / 2, y = round(rexp(80, 0.5) * 2) / 2),
  list(name = "500 requests a minute, 0.2 and 0.2 times 0.05%", x = rates(60, 500, 0.0001), y = rates(60, 500, 0.0001)),
  list(name = "500 requests a minute, 1 and 0.2 times 0.05%", x = rates(60, 500, 0.0005), y = rates(60, 500, 0.0001)),
  list(name = "500 requests a minute, 5 and 0.2 times 0.05%", x = rates(60, 500, 0.0025), y = rates(60, 500, 0.0001)),
  list(name = "500 requests a minute, 20 and 0.2 times 0.05%", x = rates(15, 500, 0.01), y = rates(15, 500, 0.0001)),
  list(name = "2,000 requests a minute, 20 and 0.2 times 0.05%", x = rates(10, 2000, 0.01), y = rates(10, 2000, 0.0001)),
  list(name = "50 requests a minute, 20 and 0.2 times 0.05%", x = rates(60, 50, 0.01), y = rates(60, 50, 0.0001)),
  list(name = "50 requests a minute, a tenth of them fails", x = rates(20, 50, 0.1), y = rates(20, 50, 0.0001)),
  list(name = "no overlap", x = rates(20, 200, 0.5), y = rates(20, 200, 0.01)),
  list(name = "a late fault", x = c(rates(50, 500, 0.0001), rates(10, 500, 0.01)), y = rates(60, 500, 0.0001))
)

number <- function(value) sprintf("%.17g", value)
array <- function(values) paste0("[", paste(vapply(values, number, ""), collapse = ", "), "]")
levels <- c(0.5, 0.8, 0.95, 0.98, 0.999)

of <- function(sample) {
  intervals <- vapply(levels, function(level) {
    test <- wilcox.test(sample$x, sample$y, exact = FALSE, correct = TRUE, conf.int = TRUE, conf.level = level)
    sprintf('{ "confidence": %s, "lower": %s, "upper": %s }', number(level), number(test$conf.int[1]), number(test$conf.int[2]))
  }, "")
  test <- wilcox.test(sample$x, sample$y, exact = FALSE, correct = TRUE, conf.int = TRUE)
  sprintf(
    '    {\n      "name": "%s",\n      "x": %s,\n      "y": %s,\n      "u": %s,\n      "pValue": %s,\n      "estimate": %s,\n      "intervals": [\n        %s\n      ]\n    }',
    sample$name, array(sample$x), array(sample$y), number(test$statistic), number(test$p.value), number(test$estimate),
    paste(intervals, collapse = ",\n        ")
  )
}

quantiles <- vapply(
  c(0.1, 0.3, 0.5, 0.8, 0.9, 0.95, 0.98, 0.999),
  function(level) sprintf('[%s, %s]', number(level), number(qnorm((1 + level) / 2))), ""
)

cat(sprintf(
  '{\n  "source": "%s, testdata/wilcox.R",\n  "quantiles": [\n    %s\n  ],\n  "samples": [\n%s\n  ]\n}\n',
  R.version.string, paste(quantiles, collapse = ",\n    "), paste(vapply(samples, of, ""), collapse = ",\n")
))
