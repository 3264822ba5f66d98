export { HeaderList, lowerCaseName } from './header-list.ts'
