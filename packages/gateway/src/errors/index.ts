export { CATALOGUE, type CatalogueEntry, type ErrorCode } from './catalogue.ts'
export { GatewayError, isGatewayError, toGatewayError, type ErrorDetail } from './gateway-error.ts'
export { renderBareError } from './render-bare-error.ts'
export { renderError, type RenderedError, type RenderRequest } from './render.ts'
