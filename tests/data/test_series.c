/* Series: files into tables, what a model sees of them, and the way back to the file's units. */
#include "support.h"

#include "data/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static series_table table;

static const char monthly[] = "Month,Extra,Sales\n"
                              "\"2000-01\",1,10\n\"2000-02\",2,20\n\"2000-03\",3,40\n"
                              "\"2000-04\",4,80\n\"2000-05\",5,160\n\"2000-06\",6,320\n"
                              "\"2000-07\",7,640\n\"2000-08\",8,1280\n";

static void read_good(const char *content, size_t count, const char *const *words)
{
    put_text("s.csv", content);
    kiln_status status = series_read("s.csv", &(series_choice){count, words}, &table);
    ck_assert_msg(status == KILN_OK, "%s", kiln_last_error());
}

static void refused(const char *content, const char *word, const char *message)
{
    put_text("s.csv", content);
    const char *words[] = {word};
    ck_assert_int_ne(series_read("s.csv", &(series_choice){word != NULL, words}, &table), KILN_OK);
    ck_assert_str_eq(kiln_last_error(), message);
    series_free(&table);
    kiln_clear_error();
}

START_TEST(reads_columns_and_dates)
{
    read_good(monthly, 0, NULL);
    ck_assert_int_eq(table.rows, 8);
    ck_assert_uint_eq(table.columns, 1);
    ck_assert_str_eq(table.names[0], "Sales");
    ck_assert_str_eq(table.date_name, "Month");
    ck_assert_str_eq(table.dates[7], "2000-08");
    ck_assert_int_eq(table.interval.unit, INTERVAL_MONTHS);
    ck_assert_int_eq(series_interval_season(&table.interval), 12);
    ck_assert_ptr_null(table.notes.data);
    ck_assert_float_eq(table.values[3], 80);
    series_free(&table);
    read_good(monthly, 2, (const char *[]){"Sales", "1"});
    ck_assert_str_eq(table.names[1], "Extra");
    ck_assert_float_eq(table.values[2 * 3 + 1], 4);
    ck_assert_int_eq(series_cut(&table, 2, 5), KILN_OK);
    ck_assert_int_eq(table.rows, 3);
    ck_assert_str_eq(table.dates[0], "2000-03");
    ck_assert_float_eq(table.values[4], 160);
    series_free(&table);
    read_good("1\n2\n5\n", 0, NULL); /* nothing but numbers */
    ck_assert_ptr_null(table.dates);
    ck_assert_str_eq(table.names[0], "0");
    ck_assert_float_eq(table.values[2], 5);
    series_free(&table);
    read_good("value;date\n3;2020-01-30\n4;2020-01-31\n", 0, NULL); /* dates come last */
    ck_assert_str_eq(table.names[0], "value");
    ck_assert_int_eq(table.interval.unit, INTERVAL_TIME);
    series_free(&table);
}
END_TEST

START_TEST(takes_dates_out_of_order)
{
    read_good("d,v\n2001-03-03,3\n2001-03-01,1\n2001-03-02,2\n", 0, NULL);
    ck_assert_str_eq(table.notes.data,
                     "s.csv: dates are out of order (2001-03-01 comes behind 2001-03-03): the rows "
                     "are taken in the order of their dates\n");
    for (int i = 0; i < 3; i++)
        ck_assert_float_eq(table.values[i], (float)(i + 1));
    ck_assert_str_eq(table.dates[2], "2001-03-03");
    ck_assert_int_eq(table.interval.length, INT64_C(86400000000));
    series_free(&table);
    read_good("d,v\n2001-03,1\n2001-03,2\n2001-05,3\n", 0, NULL);
    ck_assert_str_eq(table.notes.data,
                     "s.csv: 2001-03 is the date of several rows: they stay in their order\n");
    ck_assert_int_eq(table.interval.unit, INTERVAL_NONE);
    series_free(&table);
    read_good("d,v\n2001-03,1\n2001-05,3\n2001-03,2\n", 0, NULL);
    ck_assert_str_eq(table.notes.data,
                     "s.csv: dates are out of order (2001-03 comes behind 2001-05): the rows are "
                     "taken in the order of their dates\n"
                     "s.csv: 2001-03 is the date of several rows: they stay in their order\n");
    ck_assert_float_eq(table.values[1], 2);
    series_free(&table);
    read_good("Month,v\n11,1\n12,2\n1,3\n11,4\n", 0, NULL); /* numbers that are no times */
    ck_assert_str_eq(table.notes.data,
                     "s.csv: the numbers in column Month repeat and are out of order, so that they "
                     "are no times: the rows are taken in the file's order\n");
    ck_assert_float_eq(table.values[2], 3);
    series_free(&table);
    read_good("d,v\nzebra,1\napple,2\n", 0, NULL); /* names, not dates */
    ck_assert_ptr_null(table.notes.data);
    ck_assert_str_eq(table.dates[0], "zebra");
    series_free(&table);
}
END_TEST

/* Three rows, the newest first, in each of the ways that dates are written. */
START_TEST(takes_dates_of_many_kinds)
{
    static const char *const dates[][3] = {
        {"03/14/2020", "03/13/2020", "02/28/2020"},
        {"14/03/2020", "13/03/2020", "28/02/2020"},
        {"3/14/20", "3/13/20", "2/28/20"},
        {"14.03.2020", "13.03.2020", "28.02.2020"},
        {"2020-03-14T00:00:00Z", "2020-03-13T00:00:00Z", "2020-02-28T00:00:00Z"},
        {"2020-03-14T00:00:00.000", "2020-03-13T00:00:00.000", "2020-02-28T00:00:00.000"},
        {"2020-03-14 01:00:00+02:00", "2020-03-14 01:00:00+03:00", "2020-03-13 23:00:00+02:00"},
        {"14-Mar-20", "13-Mar-20", "28-Feb-20"},
        {"Mar 14 2020", "Mar 13 2020", "Feb 28 2020"},
        {"March 14, 2020", "March 13, 2020", "February 28, 2020"},
        {"April 2020", "March 2020", "December 2019"},
        {"2020Q2", "2020Q1", "2019Q4"},
        {"2020-Q2", "2020-Q1", "2019-Q4"},
        {"20200314", "20200313", "20200228"},
        {"2020/3/14", "2020/3/13", "2020/2/28"},
        {"1958.2917", "1958.2027", "1957.9"},
        {"1583971200000", "1583884800000", "1583798400000"},
    };
    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++) {
        char content[200], note[200];
        snprintf(content, sizeof content, "Date,v\n\"%s\",3\n\"%s\",2\n\"%s\",1\n", dates[i][0],
                 dates[i][1], dates[i][2]);
        snprintf(note, sizeof note,
                 "s.csv: dates are out of order (%s comes behind %s): the rows are taken in the "
                 "order of their dates\n",
                 dates[i][1], dates[i][0]);
        read_good(content, 0, NULL);
        ck_assert_msg(table.notes.data != NULL, "%s", dates[i][0]);
        ck_assert_str_eq(table.notes.data, note);
        ck_assert_float_eq(table.values[0], 1);
        ck_assert_str_eq(table.dates[2], dates[i][0]);
        series_free(&table);
    }
}
END_TEST

/* Days and months that are both 12 at most. */
START_TEST(finds_the_order_of_days_and_months)
{
    char content[1000] = "Date,v\n";
    for (int i = 0; i < 20; i++) /* months: days of January would leave the rest of the year out */
        snprintf(content + strlen(content), sizeof content - strlen(content), "01/%02d/%d,%d\n",
                 i % 12 + 1, 2000 + i / 12, i);
    read_good(content, 0, NULL);
    ck_assert_ptr_null(table.notes.data);
    ck_assert_int_eq(table.format.order, ORDER_DAY);
    ck_assert_int_eq(table.interval.unit, INTERVAL_MONTHS);
    series_free(&table);
    /* rising in one order alone */
    read_good("Date,v\n01/02/2000,1\n07/02/2000,2\n02/03/2000,3\n", 0, NULL);
    ck_assert_ptr_null(table.notes.data);
    ck_assert_int_eq(table.format.order, ORDER_DAY);
    series_free(&table);
    read_good("Date,v\n01/02/2000,1\n02/03/2000,2\n03/04/2000,3\n", 0, NULL);
    ck_assert_str_eq(
        table.notes.data,
        "s.csv: line 2, column 1 (Date): '01/02/2000' is one date with the day first and "
        "another with the month first, and no row decides: the rows are taken in the "
        "file's order; write dates as 2020-01-31 to have the rows sorted by them\n");
    ck_assert_int_eq(table.interval.unit, INTERVAL_NONE);
    series_free(&table);
    read_good("Date,v\n02/02/2001,1\n01/01/2000,2\n", 0, NULL); /* the same in both */
    ck_assert_float_eq(table.values[0], 2);
    series_free(&table);
}
END_TEST

START_TEST(says_which_dates_cannot_be_read)
{
    static const char rest[] = ": the rows are taken in the file's order; correct it or leave the "
                               "row out to have the rows sorted by dates\n";
    static const struct {
        const char *content, *note;
    } rows[] = {
        {"Date,v\n2020-03-03,1\n\nn/a,2\n2020-03-01,3\n",
         "s.csv: line 4, column 1 (Date): 'n/a' is no date that can be read"},
        {"v,Datum\n1,03.03.2020\n2,\n3,01.03.2020\n",
         "s.csv: line 3, column 2 (Datum): the cell is empty, which is no date that can be read"},
        {"Date,v\n13/03/2020,1\n03/13/2020,2\n",
         "s.csv: line 3, column 1 (Date): '03/13/2020' is no date that can be read"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char note[400];
        snprintf(note, sizeof note, "%s%s", rows[i].note, rest);
        read_good(rows[i].content, 0, NULL);
        ck_assert_ptr_nonnull(table.notes.data);
        ck_assert_str_eq(table.notes.data, note);
        ck_assert_float_eq(table.values[0], 1);
        series_free(&table);
    }
    read_good("Month,v\n1-01,1\n1-02,2\n", 0, NULL);
    ck_assert_str_eq(
        table.notes.data,
        "s.csv: line 2, column 1 (Month): '1-01' is no date that can be read: the rows "
        "are taken in the file's order; write dates as 2020-01-31 to have the rows "
        "sorted by dates\n");
    series_free(&table);
}
END_TEST

START_TEST(finds_the_column_of_dates)
{
    read_good("Symbol,Stamp,v\nX,2020-01-02,1\nX,2020-01-01,2\n", 0, NULL); /* names come first */
    ck_assert_str_eq(table.date_name, "Stamp");
    ck_assert_float_eq(table.values[0], 2);
    series_free(&table);
    read_good("a,v\n20200102,1\n20200101,2\n", 0, NULL); /* numbers, but all of them dates */
    ck_assert_str_eq(table.date_name, "a");
    ck_assert_float_eq(table.values[0], 2);
    series_free(&table);
    read_good("a,v\n20200102,1\n20200101,2\n20200199,3\n", 0, NULL);
    ck_assert_ptr_null(table.dates);
    ck_assert_ptr_null(table.notes.data);
    series_free(&table);
    read_good("a,b,v\n7,20200102,1\n8,20200101,2\n", 0, NULL); /* not where dates stand */
    ck_assert_ptr_null(table.dates);
    series_free(&table);
    read_good("v\n20200102\n20200101\n", 0, NULL);
    ck_assert_ptr_null(table.dates);
    ck_assert_str_eq(table.names[0], "v");
    series_free(&table);
}
END_TEST

START_TEST(reads_numbers_with_commas)
{
    read_good("Datum;Wert\n01.03.2020;12,5\n02.03.2020;1.234,25\n03.03.2020;7\n", 0, NULL);
    ck_assert_str_eq(table.notes.data,
                     "s.csv: commas are taken as decimal points (line 2: '12,5' is 12.5)\n");
    ck_assert_str_eq(table.names[0], "Wert");
    ck_assert_float_eq(table.values[0], 12.5F);
    ck_assert_float_eq(table.values[1], 1234.25F);
    series_free(&table);
    read_good("1,5;2,5\n3,5;-4,5e1\n", 0, NULL); /* no header */
    ck_assert_int_eq(table.rows, 2);
    ck_assert_float_eq(table.values[1], -45);
    series_free(&table);
    read_good("Date,v\n2020-03-01,\"1,100\"\n2020-03-02,999\n2020-03-03,\"-1,234,567.5\"\n", 0,
              NULL);
    ck_assert_str_eq(table.notes.data,
                     "s.csv: commas are taken as signs between thousands (line 2: "
                     "'1,100' is 1100)\n");
    ck_assert_float_eq(table.values[0], 1100);
    ck_assert_float_eq(table.values[2], -1234567.5F);
    series_free(&table);
    refused("d;v\n01.01.2020;12,5\n02.01.2020;1.234\n", NULL,
            "s.csv: line 3, column 2 (v): '1.234' has a decimal point, but '12,5' on line 2 has a "
            "comma; write all numbers alike");
    refused("d;v\n01.01.2020;1.5\n02.01.2020;1,5\n", NULL,
            "s.csv: line 3, column 2 (v): '1,5' has a decimal comma, but '1.5' on line 2 has a "
            "point; write all numbers alike");
    static const char *const wrong[] = {"12,5",     "0,500",   "1,10",   "1,2345",
                                        "1234,567", "1,100,5", "1.5,000"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char content[100], message[300];
        snprintf(content, sizeof content, "d,v\n2020-01-01,\"%s\"\n", wrong[i]);
        snprintf(
            message, sizeof message,
            "s.csv: line 2, column 2 (v): '%s' is text where a number is needed; write 1234.5, "
            "with a decimal point and nothing between thousands or around it",
            wrong[i]);
        refused(content, NULL, message);
    }
    refused("d\tv\n2020-01-01\t1,100\n", NULL,
            "s.csv: line 2, column 2 (v): '1,100' is text where a number is needed; write 1234.5, "
            "with a decimal point and nothing between thousands or around it");
    refused(
        "d;v\n01.01.2020;1,234.5\n", NULL,
        "s.csv: line 2, column 2 (v): '1,234.5' is text where a number is needed; write 1234.5, "
        "with a decimal point and nothing between thousands or around it");
}
END_TEST

START_TEST(names_columns_that_share_a_name)
{
    read_good("Date,v,v,\n2020-01-01,1,2,3\n", 3, (const char *[]){"2", "1", "3"});
    ck_assert_str_eq(table.names[0], "2");
    ck_assert_str_eq(table.names[1], "1");
    ck_assert_str_eq(table.names[2], "3");
    ck_assert_float_eq(table.values[0], 2);
    series_free(&table);
    refused("Date,v,v\n2020-01-01,1,2\n", "v",
            "s.csv: 2 columns are called 'v'; give the index of the series column");
}
END_TEST

START_TEST(refuses_bad_files)
{
    refused("", NULL, "s.csv: is empty");
    refused("a,b\n", NULL, "s.csv: has a header but no rows");
    refused("a,b\n1,2\n1,\n", NULL, "s.csv: line 3, column 2 (b): the cell is empty");
    refused("a,b\n1,2\n1,n/a\n", NULL,
            "s.csv: line 3, column 2 (b): 'n/a' is text where a number is needed");
    refused("a,b\n1,2\n1,nan\n", NULL,
            "s.csv: line 3, column 2 (b): 'nan' is no finite number; remove or fill such cells");
    refused(monthly, "Month",
            "s.csv: line 2, column 1 (Month): '2000-01' is text where a number is needed");
    refused(monthly, "Price", "s.csv: has no column 'Price'; its columns are Month, Extra, Sales");
    refused("a,b\n1,2\n1,2,3\n", NULL,
            "s.csv: line 3 has 3 columns, but line 1 has 2 (separator ',')");
    put_text("s.csv", monthly);
    const char *twice[] = {"Sales", "2"};
    ck_assert_int_ne(series_read("s.csv", &(series_choice){2, twice}, &table), KILN_OK);
    expect_error(KILN_ERROR_ARGUMENT, "s.csv: column 3 is asked for twice");
    series_free(&table);
    ck_assert_int_ne(series_read("missing.csv", &(series_choice){0, NULL}, &table), KILN_OK);
    series_free(&table);
    kiln_clear_error();
}
END_TEST

START_TEST(continues_dates)
{
    static const struct {
        const char *dates[3], *next[2];
        int64_t season;
    } rows[] = {
        {{"1960-10", "1960-11", "1960-12"}, {"1961-01", "1961-02"}, 12},
        {{"1999/04", "1999/07", "1999/10"}, {"2000/01", "2000/04"}, 4},
        {{"2020-01-01", "2020-02-01", "2020-03-01"}, {"2020-04-01", "2020-05-01"}, 12},
        {{"2019-11-30", "2019-12-31", "2020-01-31"}, {"2020-02-29", "2020-03-31"}, 12},
        {{"2024-02-26", "2024-02-27", "2024-02-28"}, {"2024-02-29", "2024-03-01"}, 7},
        {{"1999-12-17", "1999-12-24", "1999-12-31"}, {"2000-01-07", "2000-01-14"}, 0},
        {{"1969-12-31 21:00", "1969-12-31 22:00", "1969-12-31 23:00"},
         {"1970-01-01 00:00", "1970-01-01 01:00"},
         24},
        {{"2001-02-28T23:58:00", "2001-02-28T23:59:00", "2001-03-01T00:00:00"},
         {"2001-03-01T00:01:00", "2001-03-01T00:02:00"},
         1440},
        {{"1749", "1750", "1751"}, {"1752", "1753"}, 0},
        {{"2001-01-05", "2001-01-06", "2001-01-09"}, {NULL, NULL}, 0}, /* a weekend */
        {{"2001-01-05", "2001-01", "2001-01-07"}, {NULL, NULL}, 0},
        {{"12/30/2019", "12/31/2019", "01/01/2020"}, {"01/02/2020", "01/03/2020"}, 7},
        {{"30/12/2019", "31/12/2019", "01/01/2020"}, {"02/01/2020", "03/01/2020"}, 7},
        {{"9/29/2020", "9/30/2020", "10/1/2020"}, {"10/2/2020", "10/3/2020"}, 7},
        {{"31.10.2020", "30.11.2020", "31.12.2020"}, {"31.01.2021", "28.02.2021"}, 12},
        {{"11/2020", "12/2020", "01/2021"}, {"02/2021", "03/2021"}, 12},
        {{"2020-01-01T22:00:00.000Z", "2020-01-01T23:00:00.000Z", "2020-01-02T00:00:00.000Z"},
         {"2020-01-02T01:00:00.000Z", "2020-01-02T02:00:00.000Z"},
         24},
        {{"2020-01-31 00:00:00.25+02:00", "2020-01-31 00:00:00.50+02:00",
          "2020-01-31 00:00:00.75+02:00"},
         {"2020-01-31 00:00:01.00+02:00", "2020-01-31 00:00:01.25+02:00"},
         345600},
        /* summer time begins */
        {{"2020-03-29T01:00+01:00", "2020-03-29T03:00+02:00", "2020-03-29T04:00+02:00"},
         {"2020-03-29T05:00+02:00", "2020-03-29T06:00+02:00"},
         24},
        {{"12/31/2020 9:00 PM", "12/31/2020 10:00 PM", "12/31/2020 11:00 PM"},
         {"01/01/2021 12:00 AM", "01/01/2021 1:00 AM"},
         24},
        {{"30-Dec-19", "31-Dec-19", "01-Jan-20"}, {"02-Jan-20", "03-Jan-20"}, 7},
        {{"Dec 30 2019", "Dec 31 2019", "Jan 01 2020"}, {"Jan 02 2020", "Jan 03 2020"}, 7},
        {{"August 1, 2020", "September 1, 2020", "October 1, 2020"},
         {"November 1, 2020", "December 1, 2020"},
         12},
        {{"MAY 2020", "JUN 2020", "JUL 2020"}, {"AUG 2020", "SEP 2020"}, 12},
        {{"may 2020", "june 2020", "july 2020"}, {"august 2020", "september 2020"}, 12},
        {{"2000Q2", "2000Q3", "2000Q4"}, {"2001Q1", "2001Q2"}, 4},
        {{"2000-Q2", "2000-Q3", "2000-Q4"}, {"2001-Q1", "2001-Q2"}, 4},
        {{"Q2 2000", "Q3 2000", "Q4 2000"}, {"Q1 2001", "Q2 2001"}, 4},
        {{"20191230", "20191231", "20200101"}, {"20200102", "20200103"}, 7},
        {{"20191231 23:58", "20191231 23:59", "20200101 00:00"},
         {"20200101 00:01", "20200101 00:02"},
         1440},
        {{"31-12-66", "31-12-67", "31-12-68"}, {"2069-12-31", "2070-12-31"}, 0}, /* no such 69 */
        {{"20-01-30", "20-01-31", "20-02-01"}, {"20-02-02", "20-02-03"}, 7},
        {{"9997", "9998", "9999"}, {"10000", "10001"}, 0},
        {{"9999-10", "9999-11", "9999-12"}, {"10000-01", "10000-02"}, 12},
        {{"-0.5", "0", "0.5"}, {"1.0", "1.5"}, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        series_date dates[3];
        series_reading reading = series_format_of((char *const *)rows[i].dates, 3);
        ck_assert_msg(reading.result == READING_GOOD, "%s", rows[i].dates[0]);
        for (int k = 0; k < 3; k++)
            ck_assert(series_date_read(rows[i].dates[k], &reading.format, &dates[k]));
        series_interval interval = series_interval_of(dates, 3);
        ck_assert_int_eq(series_interval_season(&interval), rows[i].season);
        for (int k = 0; k < 2; k++) {
            char *next = series_date_after(rows[i].dates[2], &reading.format, &interval, k + 1);
            if (rows[i].next[k])
                ck_assert_str_eq(next, rows[i].next[k]);
            else
                ck_assert_ptr_null(next);
            free(next);
        }
    }
}
END_TEST

START_TEST(knows_what_is_no_date)
{
    static const char *const none[] = {"",
                                       "x",
                                       "2001-13",
                                       "2001-02-30",
                                       "31/02/2001",
                                       "20010230",
                                       "2001-01-01 24:00",
                                       "2001-01-01 12",
                                       "2001-01-01 10:60",
                                       "2001-01-01 13:00 PM",
                                       "2001-01-01 10:00:00X",
                                       "2001-01-01 10:00+2",
                                       "2001-01-01Z",
                                       "2001-01-0x",
                                       "2001-01-",
                                       "2001Q5",
                                       "2001Q1x",
                                       "01-Jax-20",
                                       "Jan 20",
                                       "1-01",
                                       "1/2/3/4",
                                       "2001-01-01 10:00:00.1234567890",
                                       "1. September 2020 in the afternoon, at 3 o'clock"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        for (int order = 0; order < ORDER_NUMBER; order++) {
            series_format format = {.order = (enum series_order)order};
            series_date date;
            ck_assert_msg(!series_date_read(none[i], &format, &date), "'%s' is no date", none[i]);
        }
}
END_TEST

/* ---- what a model sees ---- */

static model_series *fitted(model_series how, int64_t train)
{
    model_series *s = calloc(1, sizeof *s);
    *s = how;
    s->rate = how.rate ? how.rate : 1;
    s->target_count = how.target_count ? how.target_count : 1;
    kiln_status status = series_fit(&table, train, true, s);
    ck_assert_msg(status == KILN_OK, "%s", kiln_last_error());
    return s;
}

static void copy_of(const data_column *c, int64_t samples, float *out)
{
    data_column_copy(c, 0, samples, out);
}

START_TEST(logarithms_and_differences)
{
    read_good(monthly, 0, NULL);
    model_series *s =
        fitted((model_series){.window = 2, .horizon = 1, .difference = 1, .log = true}, 6);
    ck_assert_int_eq(s->trained_rows, 6);
    ck_assert_str_eq(s->trained_to, "2000-06");
    ck_assert_double_eq_tol(s->means[0], log(2), 1e-12); /* it doubles from row to row */
    ck_assert_int_eq(series_first_target(s), 3);
    ck_assert_int_eq(series_first_unknown(&table, s), 6);
    ck_assert_int_eq(series_next_target(&table, s), 8);
    kiln_dataset *d = series_windows(&table, s, 0, 5, 1, true);
    ck_assert_msg(d != NULL, "%s", kiln_last_error());
    ck_assert_int_eq(kiln_dataset_size(d), 3);
    ck_assert_int_eq(d->inputs[0].shape.rank, 2);
    ck_assert_int_eq(d->targets[0].shape.rank, 0);
    ck_assert_ptr_nonnull(d->series);
    kiln_dataset_free(d);
    /* what it would say, knowing the rule: the value doubles again */
    double said = NAN;
    series_restore(&table, s, 8, (const float[]){0}, &said);
    ck_assert_double_eq_tol(said, 2560, 1e-3);
    ck_assert_double_eq(series_naive(&table, s, 8, 0, 0, 0), 1280);
    ck_assert_double_eq(series_naive(&table, s, 8, 0, 3, 0), 320);
    ck_assert_double_eq(series_naive(&table, s, 8, 3, 3, 0), 320); /* two seasons before */
    ck_assert(isnan(series_naive(&table, s, 8, 0, 12, 0)));
    model_series_free(s);
    series_free(&table);
}
END_TEST

START_TEST(scales_by_the_training_part_alone)
{
    read_good(monthly, 2, (const char *[]){"Sales", "Extra"});
    model_series *s = fitted((model_series){.window = 3, .horizon = 2, .rate = 1}, 5);
    double mean = (10 + 20 + 40 + 80 + 160) / 5.0, squares = 0;
    for (int i = 0; i < 5; i++)
        squares += pow(10 * pow(2, i) - mean, 2);
    ck_assert_double_eq_tol(s->means[0], mean, 1e-9);
    ck_assert_double_eq_tol(s->scales[0], sqrt(squares / 5), 1e-9);
    ck_assert_double_eq_tol(s->means[1], 3, 1e-9);
    kiln_dataset *d = series_windows(&table, s, 5, INT64_MAX, 1, true);
    ck_assert_msg(d != NULL, "%s", kiln_last_error());
    ck_assert_int_eq(kiln_dataset_size(d), 2);
    float x[2 * 3 * 2], y[2 * 2];
    ck_assert_int_eq(d->inputs[0].shape.dims[1], 2);
    ck_assert_int_eq(d->targets[0].shape.dims[0], 2);
    copy_of(&d->inputs[0], 2, x);
    copy_of(&d->targets[0], 2, y);
    ck_assert_float_eq_tol(x[0], (float)((40 - mean) / s->scales[0]), 1e-6);
    ck_assert_float_eq_tol(x[1], (float)((3 - 3) / s->scales[1]), 1e-6);
    ck_assert_float_eq_tol(x[11], (float)((6 - 3) / s->scales[1]), 1e-6);
    for (int i = 0; i < 4; i++) { /* row 5 + i / 2 + i % 2 */
        double said[2];
        ck_assert_float_eq_tol(
            y[i], (float)((10 * pow(2, 5 + i / 2 + i % 2) - mean) / s->scales[0]), 1e-5);
        series_restore(&table, s, 5 + i / 2, y + i / 2 * 2, said);
        ck_assert_double_eq_tol(said[i % 2], 10 * pow(2, 5 + i / 2 + i % 2), 1e-3);
    }
    kiln_dataset_free(d);
    d = series_windows(&table, s, 5, INT64_MAX, 1, false); /* and what nobody knows yet */
    ck_assert_int_eq(kiln_dataset_size(d), 4);
    ck_assert_uint_eq(d->target_count, 0);
    kiln_dataset_free(d);
    model_series_free(s);
    series_free(&table);
}
END_TEST

START_TEST(seasonal_differences_and_sampling)
{
    char content[2000] = "";
    for (int i = 0; i < 60; i++) /* rows 2 apart rise by 5, with a season of 3 of them */
        snprintf(content + strlen(content), sizeof content - strlen(content), "%d\n",
                 100 + 5 * (i / 2) + 7 * (i / 2 % 3) + 1000 * (i % 2));
    read_good(content, 0, NULL);
    model_series *s =
        fitted((model_series){.window = 4, .horizon = 4, .rate = 2, .difference = 3}, 40);
    ck_assert_double_eq_tol(s->means[0], 15, 1e-9);
    ck_assert_int_eq(series_first_target(s), 14);
    kiln_dataset *d = series_windows(&table, s, 0, INT64_MAX, 1, true);
    ck_assert_int_eq(kiln_dataset_size(d), 60 - 6 - 14);
    float x[40 * 4], y[40 * 4];
    copy_of(&d->inputs[0], 40, x);
    copy_of(&d->targets[0], 40, y);
    for (int i = 0; i < 160; i++)
        ck_assert_msg(x[i] == 0 && y[i] == 0, "%d: %g %g", i, (double)x[i], (double)y[i]);
    double said[4];
    for (int row = 14; row < 54; row++) {
        series_restore(&table, s, row, y, said); /* the fourth builds on the first */
        for (int h = 0; h < 4; h++)
            ck_assert_double_eq_tol(said[h], (double)table.values[row + 2 * h], 1e-9);
    }
    ck_assert_double_eq(series_naive(&table, s, 20, 0, 0, 0), (double)table.values[18]);
    kiln_dataset_free(d);
    model_series_free(s);
    series_free(&table);
}
END_TEST

START_TEST(refuses_what_a_series_cannot_give)
{
    model_series s = {.window = 7, .horizon = 2, .rate = 1, .target_count = 1};
    read_good(monthly, 0, NULL);
    ck_assert_int_ne(series_fit(&table, 6, true, &s), KILN_OK);
    expect_error(KILN_ERROR_ARGUMENT,
                 "s.csv: has 6 of its 8 rows to train on, fewer than one window takes, which is 9; "
                 "choose a shorter window, or hold fewer rows back");
    ck_assert_int_ne(series_cut(&table, 5, 9), KILN_OK);
    expect_error(KILN_ERROR_ARGUMENT,
                 "s.csv: the rows 5 to 9 (excluded) were asked for, but there are 8");
    series_free(&table);
    read_good("d,v\n2001-01,4\n2001-02,0\n2001-03,1\n2001-04,4\n", 0, NULL);
    s = (model_series){.window = 1, .horizon = 1, .rate = 1, .target_count = 1, .log = true};
    ck_assert_int_ne(series_fit(&table, 4, true, &s), KILN_OK);
    expect_error(KILN_ERROR_ARGUMENT,
                 "s.csv: row 2 (2001-02): v is 0, and a logarithm is of values above 0; leave out "
                 "the logarithm, or the row");
    model_series *good = fitted((model_series){.window = 1, .horizon = 1}, 4);
    good->window = 5;
    ck_assert_ptr_null(series_windows(&table, good, 0, INT64_MAX, 1, true));
    expect_error(
        KILN_ERROR_ARGUMENT,
        "s.csv: has 4 rows, fewer than one window and what it forecasts takes, which is 6");
    model_series_free(good);
    series_free(&table);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("series");
    TCase *tests = tcase_create("series");
    tcase_add_unchecked_fixture(tests, enter_folder, leave_folder);
    tcase_add_test(tests, reads_columns_and_dates);
    tcase_add_test(tests, takes_dates_out_of_order);
    tcase_add_test(tests, takes_dates_of_many_kinds);
    tcase_add_test(tests, finds_the_order_of_days_and_months);
    tcase_add_test(tests, says_which_dates_cannot_be_read);
    tcase_add_test(tests, finds_the_column_of_dates);
    tcase_add_test(tests, reads_numbers_with_commas);
    tcase_add_test(tests, names_columns_that_share_a_name);
    tcase_add_test(tests, refuses_bad_files);
    tcase_add_test(tests, continues_dates);
    tcase_add_test(tests, knows_what_is_no_date);
    tcase_add_test(tests, logarithms_and_differences);
    tcase_add_test(tests, scales_by_the_training_part_alone);
    tcase_add_test(tests, seasonal_differences_and_sampling);
    tcase_add_test(tests, refuses_what_a_series_cannot_give);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
