// What a Classic board may be, put together of Grafana's own published types: `tools/board_types.py` compiles every
// rendered board as a value of this type. An unknown option, a misspelt word or a missing field is an error.

import type * as raw from '@grafana/schema/dist/types/raw/dashboard/x/types.gen';
import type * as BarGauge from '@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/types.gen';
import type * as Logs from '@grafana/schema/dist/types/raw/composable/logs/panelcfg/x/types.gen';
import type * as Stat from '@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import type * as Table from '@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen';
import type * as TimeSeries from '@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';

// JSON has the values of enums, not their names.
type Plain<T> = T extends string
  ? string extends T ? string : `${T}`
  : T extends number
    ? T
    : T extends boolean
      ? boolean
      : T extends (infer U)[]
        ? Plain<U>[]
        : T extends object
          ? { [K in keyof T]: Plain<T[K]> }
          : T;

type Datasource = { type: string; uid: string };

// The query types of Prometheus and Loki are part of those plugins and not of the package.
type Query = {
  refId: string;
  expr: string;
  datasource: Datasource;
  editorMode: 'code';
  legendFormat?: string;
  queryType?: 'range' | 'instant';
  instant?: boolean;
  range?: boolean;
  format?: 'table' | 'time_series' | 'heatmap';
};

type Link = { title: string; url: string; targetBlank?: boolean };

type Defaults<Custom> = Omit<Plain<raw.FieldConfig>, 'custom' | 'links'> & { custom: Plain<Custom>; links: Link[] };

type PanelOf<Type extends string, Options, Custom> = Omit<
  Plain<raw.Panel>,
  'type' | 'options' | 'fieldConfig' | 'targets' | 'datasource'
> & {
  id: number;
  type: Type;
  datasource: Datasource;
  options: Plain<Options>;
  fieldConfig?: { defaults: Defaults<Custom>; overrides: Plain<raw.FieldConfigSource>['overrides'] };
  targets: Query[];
};

type Nothing = Record<string, never>;

type Panel =
  | PanelOf<'timeseries', TimeSeries.Options, Partial<TimeSeries.FieldConfig>>
  | PanelOf<'stat', Partial<Stat.Options>, Nothing>
  | PanelOf<'bargauge', Partial<BarGauge.Options>, Nothing>
  | PanelOf<'table', Partial<Table.Options>, Nothing>
  | PanelOf<'logs', Partial<Logs.Options>, Nothing>;

type Row = Omit<Plain<raw.RowPanel>, 'panels'> & { panels: never[] };

// `definition` and the format of an annotation belong to the datasource's plugin.
type Variable = Plain<raw.VariableModel> & { definition?: string };
type Annotation = Omit<Plain<raw.AnnotationQuery>, 'target'> & {
  titleFormat?: string;
  useValueForTime?: 'on';
  target?: { refId: string; expr: string; interval: string };
};

export type Board = Omit<Plain<raw.Dashboard>, 'panels' | 'templating' | 'annotations'> & {
  panels: (Panel | Row)[];
  templating: { list: Variable[] };
  annotations: { list: Annotation[] };
};
