#!/usr/bin/env python3
"""Series: `kiln fit forecast`, its errors beside those of simple rules, forecasts in the file's own units."""
import calendar
import csv
import json
import math
import re
import statistics
import xml.etree.ElementTree
import zipfile

from support import Case, main
from test_compare import Page


def months(count, year=2000):
    return ['%d-%02d' % (year + i // 12, i % 12 + 1) for i in range(count)]


def wave(count):
    """A trend with a season, above 0."""
    return [round(50 + i + 20 * math.sin(i * math.pi / 6) + 3 * math.cos(i * 1.7), 3) for i in range(count)]


def table(count=60, header='Month,Sales'):
    return header + '\n' + ''.join('%s,%g\n' % row for row in zip(months(count), wave(count)))


class Series(Case):
    def rows(self, path):
        with open(path, encoding='utf-8', newline='') as file:
            return list(csv.DictReader(file))

    def fitted(self, data, *arguments, epochs=2, name='m.keras'):
        model = self.path(name)
        done = self.ok('fit', 'forecast', data, '--epochs', epochs, '--seed', 1, '-o', model, *arguments)
        return model, done

    # ---- figures ----

    def test_airline_passengers(self):
        data, model, found = self.needs_data('airline-passengers.csv'), self.path('air.keras'), []
        for seed in (1, 2, 3):
            self.ok('fit', 'forecast', data, '--window', 12, '--horizon', 1, '--log', '--difference', 1,
                    '--test-rows', 24, '--seed', seed, '--verbose', 0, '-o', model)
            errors = self.ok('evaluate', model, data, '--json').json()['forecast']['Passengers']
            self.assertAlmostEqual(errors['persistence']['mape'], 9.73, delta=0.05)
            self.assertAlmostEqual(errors['seasonal-naive']['mape'], 10.5, delta=0.1)
            found.append(errors['model']['mape'])
        self.assertLess(statistics.mean(found), 5, found)

    def test_sunspots(self):
        data, model = self.needs_data('monthly-sunspots.csv'), self.path('sun.keras')
        self.ok('fit', 'forecast', data, '--epochs', 20, '--seed', 1, '--verbose', 0, '-o', model)
        errors = self.ok('evaluate', model, data, '--json').json()['forecast']['Sunspots']
        self.assertAlmostEqual(errors['persistence']['rmse'], 20.1, delta=0.05)
        self.assertLess(errors['model']['rmse'], 20.1)

    # ---- what is said ----

    def test_fit_says_what_it_does(self):
        data = self.write('s.csv', table())
        model, done = self.fitted(data, '--log', '--difference', 1)
        self.assertIn('series: Sales, 35 windows of 12 with 1 to forecast, logarithms, differences\n', done.out)
        self.assertIn('48 rows to train on (2000-01 to 2003-12), the last 12 held out (2004-01 to 2004-12)\n', done.out)
        done = self.ok('evaluate', model, data)
        self.assertIn('Sales, 12 rows (2004-01 to 2004-12), one step ahead:', done.out)
        for word in ('MAPE', 'RMSE', 'MAE', model, 'persistence', 'seasonal-naive'):
            self.assertIn(word, done.out)
        with zipfile.ZipFile(model) as archive:
            series = json.loads(archive.read('metadata.json'))['kiln']['series']
        self.assertEqual((series['window'], series['horizon'], series['difference'], series['log']), (12, 1, 1, True))
        self.assertEqual((series['columns'], series['trained_rows'], series['trained_to']), (['Sales'], 48, '2003-12'))
        logs = [math.log(v) for v in wave(48)]
        changes = [b - a for a, b in zip(logs, logs[1:])]
        self.assertAlmostEqual(series['means'][0], statistics.mean(changes), places=5)
        self.assertAlmostEqual(series['scales'][0], statistics.pstdev(changes), places=5)

    def test_errors_are_those_of_the_forecasts(self):
        data, values = self.write('s.csv', table()), wave(60)
        model, _ = self.fitted(data, '--difference', 12, '--test-rows', 10)
        errors = self.ok('evaluate', model, data, '--json').json()['forecast']['Sales']
        self.ok('predict', model, data, '-o', self.path('p.csv'))
        rows = self.rows(self.path('p.csv'))
        self.assertEqual([r['Month'] for r in rows], months(61)[50:])
        self.assertEqual([r['Sales'] for r in rows[:-1]], ['%.9g' % v for v in map(self.single, values[50:])])
        self.assertEqual(rows[-1]['Sales'], '')
        off = [float(r['forecast']) - float(r['Sales']) for r in rows[:-1]]
        self.assertAlmostEqual(errors['model']['mae'], statistics.mean(map(abs, off)), places=4)
        self.assertAlmostEqual(errors['model']['rmse'], math.sqrt(statistics.mean(e * e for e in off)), places=4)
        self.assertAlmostEqual(errors['persistence']['mae'],
                               statistics.mean(abs(values[i] - values[i - 1]) for i in range(50, 60)), places=4)
        self.assertAlmostEqual(errors['seasonal-naive']['mape'],
                               statistics.mean(100 * abs(values[i] - values[i - 12]) / values[i] for i in range(50, 60)), places=4)

    @staticmethod
    def single(value):
        import struct
        return struct.unpack('f', struct.pack('f', value))[0]

    def report(self, *arguments):
        """The page's words, and the numbers at the axes of each column's chart."""
        path = self.path('run.html')
        self.ok('fit', 'forecast', *arguments, '--epochs', 2, '--seed', 1, '--report', path)
        with open(path, encoding='utf-8') as file:
            text = file.read()
        parts = re.split('<h2>[^<]*: forecasts and values</h2>', text)[1:]
        ticks = [[float(n.replace(',', '')) for n in re.findall('class="tick"[^>]*>([^<]+)<', p)] for p in parts]
        return ' '.join(Page(text).words), ticks

    def test_the_page_has_the_units_of_the_file(self):
        data = self.write('s.csv', table())
        words, ticks = self.report(data, '--log', '--difference', 1)
        self.assertIn('Sales: forecasts and values', words)
        self.assertIn('12 forecasts of rows that were held out of the training', words)
        self.assertIn('not in the series\' own units: standardized differences of logarithms.', words)
        self.assertEqual(len(ticks), 1)
        self.assertGreaterEqual(min(ticks[0]), 60) # the last values are 77 to 126
        self.assertLessEqual(max(ticks[0]), 200)
        words, ticks = self.report(data, '--test-rows', 0, '--scale', 'none', '--horizon', 2)
        self.assertIn('94 forecasts of rows that were trained on', words)
        self.assertNotIn('Losses and metrics are of', words)
        two = self.write('t.csv', 'Month,A,B\n' + ''.join('%s,%g,%g\n' % (m, v, 1000 + v) for m, v in zip(months(60), wave(60))))
        words, ticks = self.report(two, '--column', 'A,B', '--horizon', 2)
        self.assertIn('own units: standardized values.', words)
        self.assertEqual(len(ticks), 2)
        self.assertLess(max(ticks[0]), 200)
        self.assertGreater(min(ticks[1]), 900)

    def test_forecasts_go_on(self):
        data = self.write('s.csv', table())
        model, _ = self.fitted(data, '--difference', 1)
        done = self.ok('predict', model, data, '--steps', 14, '--rows', 3, '--plot', self.path('p.svg'))
        lines = done.out.splitlines()
        self.assertEqual(lines[0].split(), ['Month', 'Sales', 'forecast'])
        self.assertEqual([l.split()[0] for l in lines[1:18]], months(74)[57:])
        self.assertEqual([len(l.split()) for l in lines[1:18]], [3] * 3 + [2] * 14)
        root = xml.etree.ElementTree.parse(self.path('p.svg')).getroot()
        self.assertEqual(root.tag, '{http://www.w3.org/2000/svg}svg')
        text = ''.join(root.itertext())
        for word in ('Sales', 'forecast one step ahead', '2006-02', 'prefers-color-scheme: dark'):
            self.assertIn(word, text)
        self.assertNotIn('nan', text.lower().replace('dominant', ''))
        # the first row of the longer forecast is the shorter one
        one = self.ok('predict', model, data, '--rows', 3).out.splitlines()
        self.assertEqual(one[:5], lines[:5])

    def test_horizon_and_several_columns(self):
        values = wave(80)
        data = self.write('s.csv', 'A,Day,B,C\n' + ''.join(
            '%g,2020-%02d-%02d,%g,%g\n' % (v, 3 + i // 28, i % 28 + 1, 2 * v + 1, i) for i, v in enumerate(values)))
        model, done = self.fitted(data, '--window', 8, '--horizon', 3, '--column', 'A,B', '--features', 'C',
                                  '--test-rows', 20)
        self.assertIn('series: A, B (and of C), ', done.out)
        self.ok('predict', model, data, '-o', self.path('p.csv'), '--plot', self.path('p.svg'))
        rows = self.rows(self.path('p.csv'))
        self.assertEqual(list(rows[0]), ['Day', 'A', 'A_forecast', 'B', 'B_forecast'])
        self.assertEqual(len(rows), 23)
        self.assertEqual([r['A'] == '' for r in rows], [False] * 20 + [True] * 3)
        self.assertTrue(all(math.isfinite(float(r['B_forecast'])) for r in rows))
        out = self.ok('evaluate', model, data).out
        self.assertIn('A, 20 rows (', out)
        self.assertIn(', 3 steps ahead:', out)
        self.fails('predict', model, data, '--steps', 4, says='--steps 4')

    def test_parts_of_a_file(self):
        data = self.write('s.csv', table(100))
        model, done = self.fitted(data, '--window', 3, '--sampling-rate', 2, '--stride', 2, '--start-index', 10,
                                  '--end-index', 90, '--test-split', 0.25, '--scale', 'none')
        self.assertIn('27 windows of 3 with 1', done.out)
        self.assertIn('60 rows to train on (2000-11 to 2005-10), the last 20 held out', done.out)
        self.ok('predict', model, data, '-o', self.path('p.csv'))
        rows = self.rows(self.path('p.csv'))
        self.assertEqual([r['Month'] for r in rows], months(102)[70:])
        self.ok('predict', model, data, '--test-rows', 5, '-o', self.path('p.csv'))
        self.assertEqual(len(self.rows(self.path('p.csv'))), 7)

    def test_training_goes_on(self):
        data = self.write('s.csv', table())
        model, _ = self.fitted(data, '--log')
        self.ok('fit', model, self.write('t.csv', table(72)), '-o', self.path('n.keras'))
        with zipfile.ZipFile(self.path('n.keras')) as archive:
            series = json.loads(archive.read('metadata.json'))['kiln']['series']
        self.assertEqual(series['trained_rows'], 57)
        self.fails('fit', model, data, '--window', 4, says='--window')

    def test_a_network_of_ones_own(self):
        data = self.write('s.csv', table())
        net = self.path('net.json')
        self.ok('new', 'forecast', '-o', net)
        self.ok('fit', net, data, '--window', 12, '--validation-split', 0.2, '--seed', 1, '-o', self.path('m.keras'))
        self.ok('evaluate', self.path('m.keras'), data)
        self.fails('fit', net, data, '--window', 9, says='(9, 1)')

    def test_dates_out_of_order(self):
        lines = table().splitlines()
        data = self.write('s.csv', '\n'.join(lines[:1] + lines[:0:-1]) + '\n')
        model, done = self.fitted(data)
        self.assertIn('s.csv: dates are out of order (2004-11 comes behind 2004-12): the rows are taken in the order', done.err)
        straight, _ = self.fitted(self.write('t.csv', table()), name='t.keras')
        self.assertEqual(self.ok('predict', model, data).out.replace(model, ''),
                         self.ok('predict', straight, self.path('t.csv')).out.replace(straight, ''))

    def test_dates_as_a_country_writes_them(self):
        days = [(y, m, d) for y in (2019, 2020) for m in range(1, 13) for d in range(1, 29)][:70]
        values = wave(70)
        def content(form, newest_first):
            rows = ['%s,%g\n' % (form.format(y=y, m=m, d=d), v) for (y, m, d), v in zip(days, values)]
            return 'Date,v\n' + ''.join(rows[::-1] if newest_first else rows)
        model, _ = self.fitted(self.write('iso.csv', content('{y}-{m:02}-{d:02}', False)))
        straight = self.ok('evaluate', model, self.path('iso.csv'), '--json').json()['forecast']
        for form in ('{m:02}/{d:02}/{y}', '{d}/{m}/{y}', '{d:02}.{m:02}.{y}', '{y}{m:02}{d:02}', '{y}-{m:02}-{d:02}T00:00:00Z'):
            with self.subTest(form=form):
                data = self.write('s.csv', content(form, True))
                other, done = self.fitted(data, name='o.keras')
                self.assertIn('s.csv: dates are out of order (', done.err)
                self.assertEqual(self.ok('evaluate', other, data, '--json').json()['forecast'], straight)

    def test_one_bad_date(self):
        data = self.write('s.csv', table().replace('2000-07,', 'n/a,'))
        _, done = self.fitted(data)
        self.assertIn("s.csv: line 8, column 1 (Month): 'n/a' is no date that can be read: the rows are taken in the file's order; ",
                      done.err)

    def test_decimal_commas(self):
        european = 'Datum;Wert\n' + ''.join('%d.1.2020;%s\n' % (i + 1, ('%.3f' % v).replace('.', ',')) for i, v in
                                            enumerate(wave(31)))
        point = 'Datum,Wert\n' + ''.join('%d.1.2020,%.3f\n' % (i + 1, v) for i, v in enumerate(wave(31)))
        model, done = self.fitted(self.write('s.csv', european))
        self.assertIn("s.csv: commas are taken as decimal points (line 2: '53,000' is 53)", done.err)
        other, _ = self.fitted(self.write('t.csv', point), name='t.keras')
        self.assertEqual(self.ok('predict', model, self.path('s.csv')).out.replace(model, ''),
                         self.ok('predict', other, self.path('t.csv')).out.replace(other, ''))

    def test_columns_that_share_a_name(self):
        data = self.write('s.csv', 'Date,v,v\n' + ''.join('%s,%g,%g\n' % (m, i % 5, v) for i, (m, v) in
                                                         enumerate(zip(months(60), wave(60)))))
        model, done = self.fitted(data)
        self.assertIn('series: 2, ', done.out)
        self.ok('predict', model, data)
        self.assertEqual(list(self.ok('evaluate', model, data, '--json').json()['forecast']), ['2'])
        self.bad(open(data).read(), "2 columns are called 'v'; give the index of the series column",
                 arguments=('--column', 'v'))

    # ---- how far a forecast goes ----

    def test_fewer_steps_than_the_horizon(self):
        data = self.write('s.csv', table())
        model, _ = self.fitted(data, '--window', 6, '--horizon', 6)
        for steps in (1, 3, 6, 8):
            done = self.ok('predict', model, data, '--steps', steps, '-o', self.path('p.csv'), '--plot', self.path('p.svg'))
            rows = self.rows(self.path('p.csv'))
            self.assertEqual([r['Month'] for r in rows if r['Sales'] == ''], months(60 + steps)[60:])
            self.assertIn('%d rows written to' % len(rows), done.out)
            self.assertEqual(open(self.path('p.svg')).read().count('<circle'), steps)
            lines = self.ok('predict', model, data, '--steps', steps, '--rows', 2).out.splitlines()
            self.assertEqual([l.split()[0] for l in lines[1:steps + 3]], months(60 + steps)[58:])

    def test_errors_of_whole_windows_alone(self):
        data = self.write('s.csv', table())
        model, _ = self.fitted(data, '--window', 6, '--horizon', 4)
        evaluated = self.ok('evaluate', model, data).out
        table_of = lambda out: out[out.index('Sales, 12 rows'):]
        self.assertEqual(table_of(evaluated), table_of(self.ok('predict', model, data).out))

    def test_rows_that_are_written(self):
        data = self.write('s.csv', table())
        model, _ = self.fitted(data, '--difference', 1)
        done = self.ok('predict', model, data, '--steps', 50, '-o', self.path('p.csv'))
        self.assertIn('62 rows written', done.out)
        self.assertEqual(len(self.rows(self.path('p.csv'))), 62)

    def test_ends_of_months_stay(self):
        ends = ['%s-%02d' % (m, calendar.monthrange(*map(int, m.split('-')))[1]) for m in months(64)]
        data = self.write('s.csv', 'Date,v\n' + ''.join('%s,%g\n' % row for row in zip(ends, wave(60))))
        model, _ = self.fitted(data)
        self.ok('predict', model, data, '--steps', 4, '-o', self.path('p.csv'))
        self.assertEqual([r['Date'] for r in self.rows(self.path('p.csv'))[-4:]],
                         ends[60:])

    def test_forecasts_that_leave_the_numbers(self):
        data = self.write('s.csv', 'Month,v\n' + ''.join('%s,%g\n' % (m, 10.0 ** i) for i, m in enumerate(months(36))))
        model, _ = self.fitted(data, '--window', 2, '--log', '--difference', 1)
        line = self.fails('predict', model, data, '--steps', 400,
                          says=('--steps 400: the forecast of v left the range of numbers at step ', 'ask for fewer steps'))
        step = int(line.split('at step ')[1].split(',')[0])
        self.ok('predict', model, data, '--steps', step - 1)
        self.fails('predict', model, data, '--steps', step, says='at step %d' % step)
        self.fails('predict', model, data, '--steps', 100000000, says='--steps 100000000: a forecast goes at most 100,000 rows')

    # ---- bad input ----

    def bad(self, content, *says, arguments=()):
        self.fails('fit', 'forecast', self.write('s.csv', content), *arguments, says=says)

    def test_bad_files(self):
        self.bad('', 's.csv: is empty')
        self.bad('Month,Sales\n', 'has a header but no rows')
        self.bad(table(10), 's.csv: has 8 of its 10 rows to train on, fewer than one window takes, which is 13')
        self.bad(table().replace('2000-07,', '2000-07,x'), 'line 8, column 2 (Sales)', 'is text where a number is needed')
        self.bad(table() + '2005-01,\n', 'line 62, column 2 (Sales): the cell is empty')
        self.bad(table() + '2005-01,NaN\n', 'line 62, column 2 (Sales)', 'no finite number')
        self.bad(table() + '2005-01\n', 'line 62 has 1 columns')
        self.bad(table(), "has no column 'Price'", 'Month, Sales', arguments=('--column', 'Price'))
        self.bad(table(), 'column 1 (Month)', 'is text where a number is needed', arguments=('--column', 'Month'))
        self.bad('date;v\n01.01.2020;12 km\n', "line 2, column 2 (v): '12 km' is text where a number is needed; write 1234.5")
        self.bad('date;v\n01.01.2020;12,5\n02.01.2020;1.5\n', 'write all numbers alike')
        self.bad(table() + '2005-01,-3\n', 'row 61 (2005-01): Sales is -3', arguments=('--log',))
        self.bad('a\0b', 's.csv')
        self.fails('fit', 'forecast', self.path('missing.csv'), says='missing.csv')
        self.fails('fit', 'forecast', self.folder, says=self.folder)

    def test_bad_arguments(self):
        for says, arguments in (
                ('--test-rows and --test-split', ('--test-rows', 3, '--test-split', 0.1)),
                ('cannot be held out', ('--test-rows', 60)),
                ('--test-split 1.5', ('--test-split', 1.5)),
                ("--scale 'minmax'", ('--scale', 'minmax')),
                ('--features', ('--features', 'Sales')),
                ('asked for twice', ('--column', 'Sales,Sales')),
                ("--column ',A'", ('--column', ',A')),
                ('the rows 70 to 60', ('--start-index', 70)),
                ('fewer than one window', ('--window', 48)),
                ('fewer than one window', ('--difference', 40)),
                ('--window 1099511627776: these are more than', ('--window', 1 << 40)),
                ('--validation-data', ('--validation-data', 'x.csv'))):
            with self.subTest(arguments=arguments):
                self.bad(table(), says, arguments=arguments)
        self.fails('fit', 'forecast', 's.csv', '--window', 0, code=2, says='--window')

    def test_other_files_and_models(self):
        data = self.write('s.csv', table())
        model, _ = self.fitted(data)
        for command in ('predict', 'evaluate'):
            self.fails(command, model, self.write('o.csv', table(header='Month,Price')), says="has no column 'Sales'")
            self.fails(command, model, self.write('o.csv', table(8)), says='o.csv: ')
            self.fails(command, model, 'digits', says='digits')
        self.fails('evaluate', model, self.write('o.csv', table(48)), says='no row of it is held out')
        self.fails('predict', model, data, data, says='takes one file')
        self.ok('predict', model, self.write('o.csv', table(48)))
        iris = self.write('iris.csv', ''.join('%d,%d,%s\n' % (i, i % 3, 'ab'[i % 2]) for i in range(40)))
        self.ok('fit', 'tabular', iris, '-o', self.path('i.keras'), '--seed', 1)
        self.fails('predict', self.path('i.keras'), iris, '--plot', self.path('p.svg'), says='was not trained on a series')
        self.fails('predict', self.path('i.keras'), iris, '--steps', 3, says='was not trained on a series')
        self.fails('predict', model, data, '--plot', self.path('no/where.svg'), says='where.svg')

    def test_damaged_facts(self):
        data = self.write('s.csv', table())
        model, _ = self.fitted(data)
        for key, value in (('window', 0), ('window', 1 << 40), ('horizon', 'x'), ('columns', []), ('columns', [3]),
                           ('targets', 2), ('means', [1, 2]), ('scales', [0]), ('trained_rows', -1), (None, 7)):
            with self.subTest(key=key, value=value), zipfile.ZipFile(model) as archive:
                metadata = json.loads(archive.read('metadata.json'))
                if key:
                    metadata['kiln']['series'][key] = value
                else:
                    metadata['kiln']['series'] = value
                with zipfile.ZipFile(self.path('d.keras'), 'w') as damaged:
                    for name in archive.namelist():
                        damaged.writestr(name, json.dumps(metadata) if name == 'metadata.json' else archive.read(name))
            self.fails('predict', self.path('d.keras'), data, says='series')
        with zipfile.ZipFile(model) as archive, zipfile.ZipFile(self.path('d.keras'), 'w') as damaged:
            metadata = json.loads(archive.read('metadata.json'))
            metadata['kiln']['series']['horizon'] = 3
            for name in archive.namelist():
                damaged.writestr(name, json.dumps(metadata) if name == 'metadata.json' else archive.read(name))
        self.fails('predict', self.path('d.keras'), data, says='its outputs are others')


if __name__ == '__main__':
    main()
