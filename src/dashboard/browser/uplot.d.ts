/* The server serves uPlot's own module under this name. */
import uPlot from 'uplot'

export default uPlot
